/**
 * Messages to the peer, from the application's `send` to the peer's
 * acknowledgement, and the fibers that wait for them on the way: for room, for
 * the store, for the peer.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import { byteLength, type Payload } from "../protocol/Codec.js"
import {
  type MessageRefused,
  MessageTooLarge,
  NotSent,
  OutcomeUnknown,
  SessionClosed
} from "../protocol/ConnectionError.js"
import type { Hooks } from "./driverOptions.js"
import type { FlowControl } from "./flowControl.js"
import { type Bounds, type Entry, ReplayBuffer } from "./replayBuffer.js"
import { SequenceWaiters } from "./sequenceWaiters.js"
import type * as sessionMachine from "./sessionMachine.js"

/** The session that the messages are of. */
export interface Sending {
  readonly state: sessionMachine.State
  /** The largest message to the peer. */
  readonly flow: Pick<FlowControl, "maxMessage">
  /** Why the session is over. */
  readonly endReason: string | undefined
  readonly apply: (event: sessionMachine.Event<never, never>) => void
  /** Nobody wants this message sent any more. */
  readonly giveUp: (seq: number) => void
}

interface SendWaiter {
  readonly payload: Payload
  readonly size: number
  readonly confirm: boolean
  readonly mail: number | undefined
  readonly accepted: (seq: number) => void
  readonly resume: (result: Effect.Effect<void, SessionClosed | MessageTooLarge>) => void
}

export type Fate = NotSent | OutcomeUnknown | MessageRefused | MessageTooLarge

const unnoticed = () => {}

export class Outbox {
  private readonly buffer: ReplayBuffer
  private waiters: Array<SendWaiter> = []
  private readonly appends = new SequenceWaiters<SessionClosed>()
  private readonly deliveries = new SequenceWaiters<Fate>()
  private closing = false
  private isAppending = false
  /** Made when somebody waits until all is written, and opened once. */
  private whenWritten: Effect.Latch | undefined

  constructor(
    bounds: Bounds,
    private readonly session: Sending
  ) {
    this.buffer = new ReplayBuffer(bounds)
  }

  // ---- for the session

  /** Puts back what a store remembers. */
  restore(
    entries: ReadonlyArray<{ readonly seq: number; readonly payload: Payload; readonly confirm: boolean }>
  ): void {
    for (const { confirm, payload, seq } of entries) this.buffer.push(seq, payload, byteLength(payload), confirm)
  }

  get buffered(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.buffer.size, bytes: this.buffer.bytes }
  }

  get(seq: number): Entry | undefined {
    return this.buffer.get(seq)
  }

  private after(seq: number): ReadonlyArray<Entry> {
    return this.buffer.after(seq)
  }

  /** Bytes in flight to the peer once this message is. */
  bytesWith(entry: Entry): number {
    return entry.offset - this.buffer.releasedOffset
  }

  /** Has the store append what was sent, in order and one call at a time: only what it has may leave. */
  append(store: Pick<Hooks, "append">): void {
    const { session } = this
    const upTo = session.state.sent
    if (store.append === undefined) return session.apply({ _tag: "Appended", upTo })
    if (this.isAppending) return
    this.isAppending = true
    store.append(this.after(session.state.appended), (exit) => {
      this.isAppending = false
      if (exit._tag === "Failure" || session.endReason !== undefined) return
      session.apply({ _tag: "Appended", upTo })
      this.appends.reach(upTo)
      if (session.state.appended < session.state.sent) this.append(store)
    })
  }

  /** Something was written, or needs not be any more. */
  wrote(): void {
    const { sent, transmitted } = this.session.state
    if (transmitted === sent) this.writesNoMore()
  }

  /** Whoever waits until all is written waits no longer. */
  writesNoMore(): void {
    const { whenWritten } = this
    this.whenWritten = undefined
    whenWritten?.unsafeOpen()
  }

  /** Waits until all is written, or can be no more. */
  get written(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.whenWritten ??= Effect.unsafeMakeLatch()
      return this.whenWritten.await
    })
  }

  /** The peer has processed all messages up to this one. */
  release(upTo: number): void {
    this.buffer.release(upTo)
    this.deliveries.reach(upTo)
    this.admit()
  }

  /** The peer refused this message; it will acknowledge it all the same. */
  refused(seq: number, refusal: MessageRefused): void {
    this.deliveries.refuse(seq, refusal)
  }

  /** True when a message after this one is larger than so many bytes. */
  holdsLarger(limit: number, after: number): boolean {
    return this.buffer.bytes > limit && this.buffer.after(after).some(({ size }) => size > limit)
  }

  /** Smaller messages than before are allowed: tells whoever waits for room with a larger one. */
  refuseLarger(): void {
    if (this.waiters.length === 0) return
    const { maxMessage: limit } = this.session.flow
    const refused = this.waiters.filter(({ size }) => size > limit)
    if (refused.length === 0) return
    this.waiters = this.waiters.filter(({ size }) => size <= limit)
    for (const { resume, size } of refused) resume(Effect.fail(new MessageTooLarge({ size, limit })))
    this.admit()
  }

  /** This message was taken back; those after it have moved up. */
  withdrawn(seq: number): void {
    this.buffer.withdraw(seq)
    this.deliveries.withdraw(seq)
    this.admit()
  }

  /** Accepts nothing more. */
  close(): void {
    this.closing = true
  }

  /** The session is over, here at least: everybody who waits is told. Where it is kept, it goes on with what has not left, too. */
  end(reason: string, isKept: boolean): void {
    const waiters = this.waiters
    this.waiters = []
    for (const waiter of waiters) waiter.resume(Effect.fail(new SessionClosed({ reason })))
    this.appends.fail(() => new SessionClosed({ reason }))
    const { highest } = this.session.state
    const isUnknown = (seq: number) => isKept || seq <= highest
    this.deliveries.fail((seq) => (isUnknown(seq) ? new OutcomeUnknown({ reason }) : new NotSent({ reason })))
    this.buffer.clear()
  }

  /**
   * Numbers the messages after this one anew, from 1, without those that the peer does not take, which are given to `refused`;
   * those before have an unknown outcome. How many are left.
   */
  restart(after: number, reason: string, reset: () => void, refused: (error: MessageTooLarge) => void): number {
    const { maxMessage: limit } = this.session.flow
    const unsent = this.buffer.after(after)
    const waiting = unsent.filter(({ size }) => size <= limit)
    const larger = unsent.filter(({ size }) => size > limit)
    // The last first: the others keep their numbers until their turn.
    for (const { seq, size } of larger.reverse()) {
      const error = new MessageTooLarge({ size, limit })
      this.deliveries.remove(seq, error)
      refused(error)
    }
    this.buffer.clear()
    this.deliveries.restart(after, new OutcomeUnknown({ reason }))
    reset()
    for (const entry of waiting) this.push(entry.payload, entry.size, entry.confirm, unnoticed)
    this.admit()
    return waiting.length
  }

  // ---- for the application

  /** True when a message of this size would be accepted without waiting. */
  hasRoom(size: number): boolean {
    return this.waiters.length === 0 && this.buffer.hasRoom(size)
  }

  /** Accepts a message, after waiting for room; `accepted` hears its number before anything can fail. */
  send(payload: Payload, accepted: (seq: number) => void = unnoticed) {
    return Effect.suspend(() => this.accept(payload, false, accepted))
  }

  /** Sends what this makes, when the effect is run. */
  sendMade<E>(make: () => Either.Either<Payload, E>): Effect.Effect<void, SessionClosed | MessageTooLarge | E> {
    return Effect.suspend((): Effect.Effect<void, SessionClosed | MessageTooLarge | E> => {
      const made = make()
      return made._tag === "Right" ? this.accept(made.right, false, unnoticed) : Effect.fail(made.left)
    })
  }

  /** Waits until the store has all that was accepted by now. */
  get settled(): Effect.Effect<void, SessionClosed> {
    return Effect.suspend(() => this.whenAppended(this.session.state.sent))
  }

  /** Gives a message that was left as this mail its place, after waiting for room, and does not wait for the store. */
  take(payload: Payload, mail: number): Effect.Effect<void, SessionClosed | MessageTooLarge> {
    return Effect.suspend((): Effect.Effect<void, SessionClosed | MessageTooLarge> => {
      const size = byteLength(payload)
      const refusal = this.refusal(size)
      if (refusal !== undefined) return Effect.fail(refusal)
      if (!this.hasRoom(size)) return this.whenRoom(payload, size, false, unnoticed, mail)
      this.push(payload, size, false, unnoticed, mail)
      return Effect.void
    })
  }

  /** Sends, and waits until the peer has processed the message. Whoever is interrupted gives it up. */
  deliver(payload: Payload): Effect.Effect<void, SessionClosed | MessageTooLarge | Fate> {
    return Effect.suspend(() => {
      const fate = Deferred.unsafeMake<void, Fate>(FiberId.none)
      let forget = (): number | undefined => undefined
      // In the step in which the message gets its number: no answer can come before.
      const accepted = (seq: number) => {
        forget = this.deliveries.add(seq, (result) => Deferred.unsafeDone(fate, result))
      }
      const giveUp = Effect.sync(() => {
        const seq = forget()
        if (seq !== undefined) this.session.giveUp(seq)
      })
      // Accepted where an interruption is heard of already.
      return Effect.suspend(() => this.accept(payload, true, accepted)).pipe(
        Effect.zipRight(Deferred.await(fate)),
        Effect.onInterrupt(() => giveUp)
      )
    })
  }

  private accept(
    payload: Payload,
    confirm: boolean,
    accepted: (seq: number) => void
  ): Effect.Effect<void, SessionClosed | MessageTooLarge> {
    const size = byteLength(payload)
    const refusal = this.refusal(size)
    if (refusal !== undefined) return Effect.fail(refusal)
    if (this.hasRoom(size)) return this.whenAppended(this.push(payload, size, confirm, accepted))
    return this.whenRoom(payload, size, confirm, accepted)
  }

  /** Why nothing of this size can be sent. */
  private refusal(size: number): SessionClosed | MessageTooLarge | undefined {
    const { endReason, flow } = this.session
    if (endReason !== undefined) return new SessionClosed({ reason: endReason })
    if (this.closing) return new SessionClosed({ reason: "it is being closed" })
    return size > flow.maxMessage ? new MessageTooLarge({ size, limit: flow.maxMessage }) : undefined
  }

  private push(
    payload: Payload,
    size: number,
    confirm: boolean,
    accepted: (seq: number) => void,
    mail?: number
  ): number {
    const seq = this.session.state.sent + 1
    this.buffer.push(seq, payload, size, confirm, mail)
    accepted(seq)
    this.session.apply({ _tag: "Send" })
    return seq
  }

  private whenRoom(
    payload: Payload,
    size: number,
    confirm: boolean,
    accepted: (seq: number) => void,
    mail?: number
  ): Effect.Effect<void, SessionClosed | MessageTooLarge> {
    return Effect.async((resume) => {
      const waiter: SendWaiter = { payload, size, confirm, mail, accepted, resume }
      this.waiters.push(waiter)
      return Effect.sync(() => {
        this.waiters = this.waiters.filter((other) => other !== waiter)
        // Those behind a large message may fit where it did not.
        this.admit()
      })
    })
  }

  /** Accepts, in their order, the messages of senders that have waited for room that there is now. */
  private admit(): void {
    while (this.waiters[0] !== undefined && this.buffer.hasRoom(this.waiters[0].size)) {
      const waiter = this.waiters.shift()
      if (waiter === undefined) return
      const { accepted, confirm, mail, payload, size } = waiter
      const seq = this.push(payload, size, confirm, accepted, mail)
      // Asked for in this step: once the fiber runs, the number may be another's, where one before it was taken back.
      waiter.resume(mail === undefined ? this.whenAppended(seq) : Effect.void)
    }
  }

  private whenAppended(seq: number): Effect.Effect<void, SessionClosed> {
    if (this.session.state.appended >= seq) return Effect.void
    return this.appends.wait(seq, () => {
      const { endReason, state } = this.session
      if (endReason !== undefined) return Effect.fail(new SessionClosed({ reason: endReason }))
      return state.appended >= seq ? Effect.void : undefined
    })
  }
}
