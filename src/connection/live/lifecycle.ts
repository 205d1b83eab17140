/**
 * The life of a connection: its phases, by their names in RFC 6455, with their transitions, and what ends with it. A phase may be
 * left out, and none comes again. The first reason of an end is the one that counts.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { CloseCode, isSendable, truncateReason } from "../../protocol/CloseCode.js"
import {
  ClosedByPeer,
  ClosedLocally,
  type ConnectionEnd,
  ConnectionLost,
  PeerViolation,
  type ReadDeadlineExceeded,
  type WriteDeadlineExceeded
} from "../../protocol/ConnectionError.js"
import { bounded } from "../bounded.js"
import type { CloseEvent, Receiver, Transport } from "../Transport.js"
import type { Sink } from "./sink.js"
import type { Supervisor } from "./supervisor.js"

type Phase =
  /** There is a socket, and nobody hears of it yet. */
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Open"; readonly sink: Sink }
  /** The close handshake goes on: what still comes is counted, and not heard. */
  | { readonly _tag: "Closing"; readonly end: ConnectionEnd; lateFrames: number }
  /** The socket is gone. */
  | { readonly _tag: "Closed"; readonly end: ConnectionEnd }

/** Of a connection whose own fiber, or whose task among the timers, has died. */
const unwatched = "a supervised fiber died"

const connecting: Phase = { _tag: "Connecting" }

/** The reason of an end that the transport has told. */
const endOf = ({ cause, clean, code, reason, violation }: CloseEvent): ConnectionEnd => {
  if (violation === true) return new PeerViolation({ code, reason })
  return clean ? new ClosedByPeer({ code, reason }) : new ConnectionLost({ cause })
}

/** The close frame that this end sends, if any, and whether it waits for the peer's. */
interface Farewell {
  readonly frame: { readonly code: number; readonly reason: string } | undefined
  readonly isAnswered: boolean
}

const farewellOf = (end: ConnectionEnd): Farewell => {
  switch (end._tag) {
    case "ClosedLocally":
    case "PeerViolation":
      return {
        frame: { code: isSendable(end.code) ? end.code : CloseCode.Normal, reason: end.reason },
        isAnswered: true
      }
    case "ReadDeadlineExceeded":
    case "WriteDeadlineExceeded":
      // The peer does not answer: it gets the word if it can, and is not waited for.
      return { frame: { code: CloseCode.GoingAway, reason: truncateReason(end.message) }, isAnswered: false }
    case "ClosedByPeer":
    case "ConnectionLost":
      return { frame: undefined, isAnswered: false }
  }
}

/** A subclass is the one that the transport tells, and keeps the connection alive. */
export abstract class Lifecycle implements Pick<Receiver, "closed"> {
  protected phase: Phase = connecting
  /** Made when somebody waits: ten thousand idle connections need not have them. */
  private whenEnded: Deferred.Deferred<ConnectionEnd> | undefined
  private whenClosed: Deferred.Deferred<void> | undefined
  /** Made when there is something to supervise. */
  private fibers: Set<Fiber.RuntimeFiber<void>> | undefined

  constructor(
    readonly transport: Transport,
    protected readonly owner: Supervisor,
    private readonly closeTimeout: number
  ) {}

  /** Stops what keeps it alive, and lets go those who wait for room: it has just ended. */
  protected abstract stop(end: ConnectionEnd): void
  /** It has ended, and its socket is still there. */
  protected abstract closing(): void
  /** Reads again, if it does not: a close frame may come. */
  abstract resume(): void

  /** Open → Open: from now on another hears. Of a connection that has ended there is nothing more to hear. */
  handOver(sink: Sink): void {
    if (this.end === undefined) this.phase = { _tag: "Open", sink }
  }

  /** Ends the connection because the peer broke the protocol. */
  violate(code: number, reason: string): void {
    this.finish(new PeerViolation({ code, reason: truncateReason(reason) }))
  }

  /** Ends the connection by this end's wish. */
  close(code: number, reason: string): void {
    this.finish(new ClosedLocally({ code, reason: truncateReason(reason) }))
  }

  /** Closes by this end's wish without waiting for a peer that does not answer. */
  abandon(code: number, reason: string): void {
    this.close(code, reason)
    this.transport.destroy()
  }

  /** Ends the connection for this end's own fault, and no other along with it. */
  protected fail(reason: string, cause: Cause.Cause<unknown>): void {
    this.close(CloseCode.InternalError, reason)
    this.owner.fork(Effect.logError("holdfast: a connection died", cause))
  }

  /** A defect in what keeps it alive would leave the connection unwatched. */
  died(defect: unknown): void {
    this.fail(unwatched, Cause.die(defect))
  }

  /**
   * Judges it, if it has not ended, once what has come by now was read: a program that was held up comes to what is late
   * before it reads.
   */
  afterReads(judge: () => void): void {
    const { transport } = this
    if (transport.afterReads === undefined) return judge()
    transport.afterReads(() => {
      try {
        if (this.end === undefined) judge()
      } catch (defect) {
        this.died(defect)
      }
    })
  }

  /** → Closed, from whatever phase. */
  closed(event: CloseEvent): void {
    if (this.phase._tag === "Closing") this.phase = { _tag: "Closed", end: this.phase.end }
    if (this.whenClosed !== undefined) Deferred.unsafeDone(this.whenClosed, Effect.void)
    if (this.phase._tag !== "Closed") this.finish(endOf(event), "Closed")
  }

  /** → Closing, or at once Closed. The first reason wins; everything that kept the connection alive stops at once. */
  protected finish(end: ConnectionEnd, next: "Closing" | "Closed" = "Closing"): void {
    if (this.end !== undefined) return
    const before = this.phase
    this.phase = next === "Closing" ? { _tag: next, end, lateFrames: 0 } : { _tag: next, end }
    for (const fiber of this.fibers ?? []) fiber.unsafeInterruptAsFork(FiberId.none)
    this.stop(end)
    if (next === "Closing") this.sayFarewell(farewellOf(end))
    this.resume()
    if (this.whenEnded !== undefined) Deferred.unsafeDone(this.whenEnded, Effect.succeed(end))
    if (before._tag === "Open") before.sink.ended(end)
    if (this.phase._tag === "Closing") this.closing()
  }

  private sayFarewell({ frame, isAnswered }: Farewell): void {
    if (frame !== undefined) this.transport.close(frame.code, frame.reason)
    if (!isAnswered) this.transport.destroy()
  }

  /** Why it has ended. */
  get end(): ConnectionEnd | undefined {
    return this.phase._tag === "Closing" || this.phase._tag === "Closed" ? this.phase.end : undefined
  }

  /** Waits for the end, and tells why. */
  get ended(): Effect.Effect<ConnectionEnd> {
    return Effect.suspend(() => {
      if (this.end !== undefined) return Effect.succeed(this.end)
      this.whenEnded ??= Deferred.unsafeMake<ConnectionEnd>(FiberId.none)
      return Deferred.await(this.whenEnded)
    })
  }

  /** Waits until the socket is gone: for the close handshake, then by force. */
  get gone(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.phase._tag === "Closed") return Effect.void
      this.whenClosed ??= Deferred.unsafeMake<void>(FiberId.none)
      const closed = bounded(Deferred.await(this.whenClosed), this.closeTimeout)
      const forced = Effect.suspend(() => {
        if (this.phase._tag === "Closed") return Effect.void
        this.transport.destroy()
        return closed
      })
      return Effect.asVoid(Effect.zipRight(closed, forced))
    })
  }

  /** Runs a fiber whose failure is the reason of the connection's end. */
  supervise(effect: Effect.Effect<void, ReadDeadlineExceeded | WriteDeadlineExceeded>): void {
    if (this.end !== undefined) return
    this.fibers ??= new Set()
    const { fibers } = this
    const fiber = this.owner.fork(Effect.catchAll(effect, (end) => Effect.sync(() => this.finish(end))))
    fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      if (exit._tag === "Failure" && !Cause.isInterruptedOnly(exit.cause)) this.fail(unwatched, exit.cause)
    })
  }
}
