/** A session's handlers: what is run of them when, over what the client sends. */

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { made } from "../../connection/bounded.js"
import { isSuccess } from "../../connection/syncEffect.js"
import type { MessageInvalid } from "../../protocol/ConnectionError.js"
import type { Inbound } from "../../session/inbox.js"
import type { SessionDriver } from "../../session/sessionDriver.js"
import type { Principal, Session, SessionEnd } from "../GatewaySession.js"
import type { Outcome } from "../Outcome.js"
import { MessageRetries } from "./messageRetries.js"
import { type Refusals, said } from "./refusals.js"
import type { SessionEnding } from "./sessionEnding.js"
import type { SessionRecord } from "./sessionRecord.js"
import type { SessionServices } from "./sessionServices.js"

const nothing: ReadonlyArray<Inbound> = []

/** Messages of one session that are handled before others have their turn. */
const turn = 64

type Services<C, S, P extends Principal, R> = Pick<
  SessionServices<C, S, P, R>,
  "limits" | "handlers" | "handlerOutage" | "decode" | "ackTimer"
>

/** The session whose messages are handled. */
interface Handled<S, P extends Principal> extends Pick<Session<S, P>, "id" | "principal"> {
  /** As the application has it. */
  readonly handle: Session<S, P>
  readonly driver: SessionDriver
  readonly ended: boolean
  readonly finish: (end: SessionEnd) => void
  readonly sendAck: () => void
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

export class HandlerLoop<C, S, P extends Principal, R> {
  /** Taken from the inbox, and handled up to `at`. */
  private batch = nothing
  private at = 0
  /** Given to be handled, and not known to be. */
  private inHand: Inbound | undefined
  /** Where it let others have their turn last. */
  private restedAt = -1
  /** No further message is begun. */
  private stopped = false
  /** The application has been told that the session begins. */
  private opened = false
  private readonly retries: MessageRetries<R>

  constructor(
    private readonly services: Services<C, S, P, R>,
    private readonly session: Handled<S, P>,
    private readonly record: SessionRecord,
    private readonly refusals: Refusals,
    private readonly topics: { readonly opened: () => void; readonly settled: Effect.Effect<void> },
    private readonly ending: SessionEnding<P, R>
  ) {
    this.retries = new MessageRetries(services.handlerOutage)
    if (services.handlers.onOpen === undefined) this.hasOpened()
  }

  get ended(): boolean {
    return this.session.ended
  }

  /** There is nothing to run. */
  get isQuiet(): boolean {
    const { inbox } = this.session.driver
    return this.opened && inbox.isEmpty && !inbox.isClosed
  }

  private hasOpened(): void {
    this.opened = true
    this.topics.opened()
  }

  /** Ends after the message in hand. */
  stop(): void {
    this.stopped = true
    this.retries.stop()
    this.session.driver.inbox.close("nothing more is handled")
  }

  /**
   * Does what can be done without running anything, and gives what is to be run next; asked again when that has succeeded.
   * Nothing where there is nothing to do.
   */
  advance(): Effect.Effect<void, unknown, R> | undefined {
    if (this.ended) return undefined
    try {
      if (!this.opened) return this.open
      return this.handleAll() ?? (this.session.driver.inbox.isClosed && !this.ended ? this.nothingMore : undefined)
    } catch (defect) {
      return this.died(Cause.die(defect))
    }
  }

  private get open(): Effect.Effect<void, unknown, R> {
    const { onOpen } = this.services.handlers
    const told = onOpen === undefined ? Effect.void : made(() => onOpen(this.session.handle))
    return Effect.map(told, () => this.hasOpened())
  }

  /** The client said bye, or this gateway drains, and all that had to be handled was. */
  private get nothingMore(): Effect.Effect<void> {
    const done = Effect.all([this.topics.settled, this.record.settled, this.session.driver.close], { discard: true })
    return Effect.map(done, () => this.session.finish(this.ending.whenDone))
  }

  /** What was run has failed: gives what is to be run now, if the session goes on. */
  failed(cause: Cause.Cause<unknown>): Effect.Effect<void, unknown, R> | undefined {
    if (this.ended) return undefined
    const { inHand } = this
    const { onFailure } = this.services.handlers
    const failure = Cause.isDie(cause) ? Option.none() : Cause.failureOption(cause)
    if (inHand === undefined || onFailure === undefined || Option.isNone(failure)) return this.died(cause)
    const error = failure.value
    return made(() => this.follow(onFailure(error, this.session.handle, inHand.seq), inHand, error))
  }

  private follow(outcome: Outcome<unknown, R>, message: Inbound, error: unknown): Effect.Effect<void, unknown, R> {
    switch (outcome._tag) {
      case "Refuse":
        return Effect.sync(() => void this.refusals.add(message.seq, outcome.code, outcome.reason))
      case "End":
        return Effect.sync(() => this.session.finish({ ...outcome, _tag: "Ended" }))
      case "Retry":
        return Effect.flatMap(this.retries.next(message.seq, outcome.schedule, error), (turn) => {
          switch (turn) {
            case "Again":
              return this.dispatch(message)
            case "Over":
              return this.follow(outcome.otherwise, message, error)
            case "Stopped":
              return Effect.sync(() => this.leave())
          }
        })
    }
  }

  /** The message in hand is not processed: it is the next gateway's. */
  private leave(): void {
    this.inHand = undefined
  }

  /** A handler died, or was interrupted by something of its own. */
  private died(cause: Cause.Cause<unknown>): undefined {
    if (this.ended) return
    const { id, principal } = this.session
    const told = Effect.logError("holdfast: a handler failed, its session ends", cause)
    this.session.fork(Effect.annotateLogs(told, { session: id, principal: principal.id }))
    this.session.finish({ _tag: "HandlerFailed", cause })
  }

  /** The last thing of a session: the application hears of it. */
  get farewell(): Effect.Effect<void, never, R> {
    const { onClose } = this.services.handlers
    return this.ending.farewell((end) =>
      onClose === undefined ? Effect.void : made(() => onClose(this.session.handle, end))
    )
  }

  /** Handles what has come; `inHand` was handled, now that this is asked again. Throws what a handler throws. */
  private handleAll(): Effect.Effect<void, unknown, R> | undefined {
    const { driver } = this.session
    const { inHand } = this
    this.inHand = undefined
    if (inHand !== undefined) this.handled(inHand)
    while (!this.session.ended) {
      for (let message = this.next; message !== undefined; message = this.next) {
        const rest = this.isTurnOver ? this.othersFirst : this.handle(message)
        if (rest === undefined) continue
        // It may take its time, and wait for this very acknowledgement.
        if (driver.state.processed > driver.state.recorded) this.services.ackTimer.add(this.session)
        return rest
      }
      this.record.note(false)
      // What was handled is not held by a session that is idle.
      this.batch = driver.inbox.isEmpty ? nothing : driver.inbox.takeAll()
      this.at = 0
      this.restedAt = -1
      if (this.batch === nothing) return undefined
    }
    return undefined
  }

  private get next(): Inbound | undefined {
    return this.stopped || this.session.ended ? undefined : this.batch[this.at]
  }

  private get isTurnOver(): boolean {
    return this.at % turn === turn - 1 && this.restedAt !== this.at
  }

  /** Fibers yield to each other alone: other connections are heard when the event loop turns. */
  private get othersFirst(): Effect.Effect<void> {
    this.restedAt = this.at
    return Effect.sleep(0)
  }

  private handle(message: Inbound): Effect.Effect<void, unknown, R> | undefined {
    const handling = this.dispatch(message)
    if (!isSuccess(handling)) {
      this.inHand = message
      return handling
    }
    this.handled(message)
    return undefined
  }

  private handled(message: Inbound): void {
    this.at++
    this.session.driver.processed(message)
    if (message.confirm) this.record.note(true)
  }

  private dispatch(message: Inbound): Effect.Effect<void, unknown, R> {
    const decoded = this.services.decode(message.body, message.seq)
    return decoded._tag === "Right"
      ? this.services.handlers.onMessage(decoded.right, this.session.handle, message.seq)
      : this.invalid(decoded.left, message.seq)
  }

  private invalid(error: MessageInvalid, seq: number): Effect.Effect<void, never, R> {
    const { onInvalid } = this.services.handlers
    const decision =
      onInvalid === undefined ? Effect.succeed("Continue" as const) : onInvalid(error, this.session.handle)
    return Effect.map(decision, (decided) => {
      const refused = this.refusals.add(seq, "invalid-message", error.issue)
      if (decided !== "End") return
      this.session.driver.say(said(refused))
      this.session.finish({ _tag: "Ended", reason: `message ${seq} is not valid`, final: true })
    })
  }
}
