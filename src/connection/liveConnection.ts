/**
 * One connection, kept alive and judged: the mutable core behind `Connection`,
 * `Client` and `Gateway`. Transport callbacks come in on one side, a `Sink`
 * hears of frames and of the end on the other; the first reason to end wins.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { CloseCode, isSendable, truncateReason } from "../protocol/CloseCode.js"
import type { Frame } from "../protocol/Codec.js"
import {
  ClosedByPeer,
  ClosedLocally,
  type ConnectionEnd,
  ConnectionLost,
  PeerViolation,
  ReadDeadlineExceeded,
  type WriteDeadlineExceeded
} from "../protocol/ConnectionError.js"
import * as features from "../protocol/features.js"
import { bounded } from "./bounded.js"
import * as Heartbeat from "./Heartbeat.js"
import * as metrics from "./metrics.js"
import { Pings } from "./pingTracker.js"
import * as ReadDeadline from "./ReadDeadline.js"
import type { CloseEvent, Receiver, Transport } from "./Transport.js"
import * as WriteDeadline from "./WriteDeadline.js"

/** Who hears of a connection's frames. Called synchronously; must not throw. */
export interface Sink {
  readonly message: (frame: Frame) => void
  /** A ping or pong of the WebSocket came, with a payload of so many bytes. */
  readonly pinged?: (size: number) => void
  /** A fragment of a message came, with so many bytes of it. */
  readonly fragment?: (size: number) => void
  /** What came ends within a frame. */
  readonly partial?: () => void
  /** The connection may be written to again. */
  readonly drained: () => void
  /** Once, as soon as the reason is known; the close handshake may still go on. */
  readonly ended: (end: ConnectionEnd) => void
}

/** What connections need beside their transports, and may share. */
export interface Keeping {
  readonly clock: Clock.Clock
  readonly heartbeat: Heartbeat.Heartbeat
  readonly readDeadline: ReadDeadline.ReadDeadline
  /** Runs a fiber that its owner supervises. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  /** A connection has ended, and its socket is still there. */
  readonly ended?: (live: LiveConnection) => void
  /** A connection's socket is gone. */
  readonly closed?: (live: LiveConnection) => void
}

export const idleSink: Sink = { message: () => {}, drained: () => {}, ended: () => {} }

export interface LiveOptions {
  readonly writeDeadline: number
  readonly closeTimeout: number
  readonly highWaterMark: number
}

type Supervised = Effect.Effect<void, ReadDeadlineExceeded | WriteDeadlineExceeded>

/** Pongs to a peer that pings and does not read wait, the latest alone, above this many bytes. */
const pongLimit = 64 * 1024

/** A peer that goes on sending after the end is not read any more after so many frames. */
const lateFrames = 64

/** The payload of the last ping of all: connections that were opened together ping with the same ids, and are sent the same. */
let latest = { id: 0, payload: new Uint8Array(4) }

/** Four bytes, the highest first. A DataView would need a buffer that is made for it. */
const payloadOf = (id: number): Uint8Array => {
  if (latest.id !== id) latest = { id, payload: Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id) }
  return latest.payload
}

/** 0 when it is of no ping of this end's. */
const idOf = (payload: Uint8Array): number => {
  if (payload.length !== 4) return 0
  const [first, second, third, fourth] = [payload[0] ?? 0, payload[1] ?? 0, payload[2] ?? 0, payload[3] ?? 0]
  return ((first << 24) | (second << 16) | (third << 8) | fourth) >>> 0
}

const nobody: ReadonlyArray<() => void> = []

export class LiveConnection implements Receiver, Heartbeat.Beating, ReadDeadline.Watched {
  sink: Sink = idleSink
  lastActivity: number
  readonly since: number
  readonly counts = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0, heartbeatsMissed: 0 }
  /** Set once. */
  end: ConnectionEnd | undefined

  /** Of the protocol, what both ends know: from the hello or the welcome on. */
  features: features.Shared = features.none

  /** Sends a heartbeat as a message of the protocol, for peers that cannot ping. */
  messagePing: ((id: number) => void) | undefined

  /** Made when somebody waits: ten thousand idle connections need not have them. */
  private whenEnded: Deferred.Deferred<ConnectionEnd> | undefined
  private whenClosed: Deferred.Deferred<void> | undefined
  private transportClosed = false
  private heart: Heartbeat.Heart | undefined
  private watch: ReadDeadline.Watch | undefined
  /** Milliseconds between heartbeats. */
  interval = 0
  /** Made when there is something to supervise. */
  private fibers: Set<Fiber.RuntimeFiber<void>> | undefined
  /** Made when bytes have to wait. */
  private backlog: WriteDeadline.Backlog | undefined
  private watchingWrites = false
  /** A ping was sent that must be answered in time, and whether nothing has come since. */
  private probing = false
  private unanswered = false
  isPaused = false
  private roomWaiters = nobody
  private pendingPong: Uint8Array | undefined
  private wasCongested = false
  private readonly pings = new Pings()
  private late = 0

  constructor(
    readonly transport: Transport,
    readonly options: LiveOptions,
    private readonly keeping: Keeping
  ) {
    this.since = keeping.clock.unsafeCurrentTimeMillis()
    this.lastActivity = this.since
  }

  // ---- what the transport tells

  private heard(): void {
    this.lastActivity = this.keeping.clock.unsafeCurrentTimeMillis()
    this.unanswered = false
  }

  message(frame: Frame): void {
    if (this.end !== undefined) return this.tooLate()
    this.heard()
    this.counts.messagesIn++
    this.counts.bytesIn += frame.length
    try {
      this.sink.message(frame)
    } catch (defect) {
      // Ours, and no reason to take the other connections along.
      this.close(CloseCode.InternalError, "the message could not be handled")
      this.keeping.fork(Effect.logError("holdfast: a connection died", Cause.die(defect)))
    }
  }

  fragment(size: number): void {
    if (this.end !== undefined) return this.tooLate()
    this.sink.fragment?.(size)
  }

  partial(): void {
    if (this.end !== undefined) return this.tooLate()
    this.sink.partial?.()
  }

  ping(payload: Uint8Array): void {
    if (this.end !== undefined) return this.tooLate()
    this.heard()
    this.sink.pinged?.(payload.byteLength)
    // RFC 6455 §5.5.3: of several pings, only the most recent needs an answer.
    if (this.transport.buffered() > pongLimit) {
      this.pendingPong = payload
      this.wasCongested = true
    } else this.transport.pong?.(payload)
  }

  pong(payload: Uint8Array): void {
    if (this.end !== undefined) return this.tooLate()
    this.heard()
    // What this end has asked for is bounded by that.
    if (!this.pings.answered(idOf(payload), this.lastActivity)) this.sink.pinged?.(payload.byteLength)
  }

  /** The close handshake goes on, and so may a flood. */
  private tooLate(): void {
    this.late++
    if (this.late === lateFrames) this.transport.discard?.()
  }

  /** A pong came as a message. */
  ponged(id: number): void {
    if (this.end !== undefined) return
    this.heard()
    this.pings.answered(id, this.lastActivity)
  }

  congested(): void {
    if (this.end !== undefined) return
    this.backlog ??= new WriteDeadline.Backlog()
    const { backlog } = this
    backlog.note(this.keeping.clock.unsafeCurrentTimeMillis(), this.transport.accepted())
    if (this.watchingWrites) return
    this.watchingWrites = true
    const taken = () => this.transport.accepted() - this.transport.buffered()
    this.supervise(
      Effect.ensuring(
        WriteDeadline.run(backlog, taken, this.options.writeDeadline),
        Effect.sync(() => {
          this.watchingWrites = false
        })
      )
    )
  }

  drained(): void {
    // Said after each flush that left nothing: of interest to those who found the connection congested.
    if (this.end !== undefined || !this.wasCongested) return
    this.wasCongested = false
    if (this.pendingPong !== undefined) {
      this.transport.pong?.(this.pendingPong)
      this.pendingPong = undefined
    }
    const waiting = this.roomWaiters
    this.roomWaiters = nobody
    for (const wake of waiting) wake()
    this.sink.drained()
  }

  closed(event: CloseEvent): void {
    this.transportClosed = true
    if (this.whenClosed !== undefined) Deferred.unsafeDone(this.whenClosed, Effect.void)
    this.finish(
      event.violation === true
        ? new PeerViolation({ code: event.code, reason: event.reason })
        : event.clean
          ? new ClosedByPeer({ code: event.code, reason: event.reason })
          : new ConnectionLost({ cause: event.cause })
    )
    this.keeping.closed?.(this)
  }

  // ---- what this end does

  /** Whether a write would wait in memory; whoever is told so hears `drained`. */
  get isCongested(): boolean {
    if (this.transport.buffered() <= this.options.highWaterMark) return false
    this.wasCongested = true
    return true
  }

  /** Writes without waiting: for callers that look at `isCongested` themselves. */
  write(frame: Frame): void {
    if (this.end !== undefined) return
    this.counts.messagesOut++
    this.counts.bytesOut += frame.length
    this.transport.send(frame)
  }

  /** Writes, after waiting while the connection is congested. */
  send(frame: Frame): Effect.Effect<void, ConnectionEnd> {
    return Effect.flatMap(this.uncongested, () => {
      if (this.end !== undefined) return Effect.fail(this.end)
      this.write(frame)
      return Effect.void
    })
  }

  /** Waits while the connection is congested and has not ended. */
  get uncongested(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.end === undefined && this.isCongested ? Effect.zipRight(this.room, this.uncongested) : Effect.void
    )
  }

  /** Waits until the connection has drained once, or has ended: for one who goes on then, however much others write. */
  get room(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const wake = () => resume(Effect.void)
      this.roomWaiters = [...this.roomWaiters, wake]
      return Effect.sync(() => {
        this.roomWaiters = this.roomWaiters.filter((other) => other !== wake)
      })
    })
  }

  /** Stops reading; the read deadline does not run until `resume`. */
  pause(): void {
    if (this.isPaused || this.end !== undefined) return
    this.isPaused = true
    this.transport.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.heard()
    // One that has ended is watched no more.
    if (this.end === undefined) this.watch?.resumed()
    this.transport.resume()
  }

  /** Starts the heartbeat, first after this part of its interval, and the read deadline; both in milliseconds. */
  keepAlive(timing: { readonly heartbeatInterval: number; readonly readDeadline: number }, part: number): void {
    if (this.end !== undefined) return
    this.interval = timing.heartbeatInterval
    this.heart = this.keeping.heartbeat.start(this, part)
    this.watch = this.keeping.readDeadline.watch(this, timing.readDeadline)
  }

  /**
   * Something may have happened that nobody was told: judges the silence until now, and has the peer answer within `timeout`
   * milliseconds where it can be asked.
   */
  probe(readDeadline: number, timeout: number): void {
    if (this.end !== undefined || this.isPaused) return
    const { lastActivity } = this
    const silence = Math.max(0, this.keeping.clock.unsafeCurrentTimeMillis() - lastActivity)
    if (silence >= readDeadline)
      return this.exceeded(new ReadDeadlineExceeded({ lastActivity, deadline: readDeadline }))
    if (this.probing || (this.messagePing === undefined && this.transport.ping === undefined)) return
    this.probing = true
    this.unanswered = true
    this.beat()
    const judge = Effect.sync(() =>
      this.afterReads(() => {
        this.probing = false
        if (!this.unanswered || this.isPaused) return
        this.finish(new ReadDeadlineExceeded({ lastActivity, deadline: silence + timeout }))
      })
    )
    this.supervise(Effect.zipRight(Effect.sleep(timeout), judge))
  }

  beat(): void {
    // While this end does not read, no answer can come.
    if (this.pings.isMissed && !this.isPaused) this.counts.heartbeatsMissed++
    metrics.flush(this.counts, this.roundTrip)
    const id = this.pings.next(this.keeping.clock.unsafeCurrentTimeMillis())
    if (this.messagePing !== undefined) {
      this.messagePing(id)
    } else {
      this.transport.ping?.(payloadOf(id))
    }
  }

  exceeded(error: ReadDeadlineExceeded): void {
    this.afterReads(() => {
      if (this.isPaused) return
      if (this.lastActivity === error.lastActivity) this.finish(error)
      else this.watch?.resumed()
    })
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

  /** A defect in what keeps it alive would leave the connection unwatched. */
  died(_defect: unknown): void {
    this.close(CloseCode.InternalError, "a supervised fiber died")
  }

  /** Runs a fiber whose failure is the reason of the connection's end. */
  supervise(effect: Supervised): void {
    if (this.end !== undefined) return
    this.fibers ??= new Set()
    const { fibers } = this
    const fiber = this.keeping.fork(Effect.catchAll(effect, (end) => Effect.sync(() => this.finish(end))))
    fibers.add(fiber)
    fiber.addObserver((exit) => {
      fibers.delete(fiber)
      if (exit._tag === "Failure" && exit.cause._tag === "Die") this.died(exit.cause.defect)
    })
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

  get roundTrip(): number | undefined {
    return this.pings.roundTrip
  }

  /** When the last ping left, in milliseconds since the epoch. */
  get lastPing(): number | undefined {
    return this.pings.lastAt
  }

  /** The first reason wins; everything that kept the connection alive stops at once. */
  private finish(end: ConnectionEnd): void {
    if (this.end !== undefined) return
    this.end = end
    this.heart?.stop()
    this.watch?.stop()
    for (const fiber of this.fibers ?? []) fiber.unsafeInterruptAsFork(FiberId.none)
    const waiting = this.roomWaiters
    this.roomWaiters = nobody
    for (const wake of waiting) wake()
    if (!this.transportClosed) this.farewell(end)
    this.resume()
    metrics.flush(this.counts, this.roundTrip)
    metrics.ended(end)
    if (this.whenEnded !== undefined) Deferred.unsafeDone(this.whenEnded, Effect.succeed(end))
    this.sink.ended(end)
    this.sink = idleSink
    if (!this.transportClosed) this.keeping.ended?.(this)
  }

  private farewell(end: ConnectionEnd): void {
    switch (end._tag) {
      case "ClosedLocally":
      case "PeerViolation":
        this.transport.close(isSendable(end.code) ? end.code : CloseCode.Normal, end.reason)
        return
      case "ReadDeadlineExceeded":
      case "WriteDeadlineExceeded":
        // The peer does not answer: it gets the word if it can, and is not waited for.
        this.transport.close(CloseCode.GoingAway, truncateReason(end.message))
        this.transport.destroy()
        return
      case "ClosedByPeer":
      case "ConnectionLost":
        this.transport.destroy()
    }
  }

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
      if (this.transportClosed) return Effect.void
      this.whenClosed ??= Deferred.unsafeMake<void>(FiberId.none)
      const closed = bounded(Deferred.await(this.whenClosed), this.options.closeTimeout)
      const forced = Effect.suspend(() => {
        if (this.transportClosed) return Effect.void
        this.transport.destroy()
        return closed
      })
      return Effect.asVoid(Effect.zipRight(closed, forced))
    })
  }
}

/** For connections of one scope, which supervises what keeps them alive. */
export const keeping: Effect.Effect<Keeping, never, Scope.Scope> = Effect.map(
  Effect.all([Effect.clock, Heartbeat.make, ReadDeadline.make, Effect.runtime<never>(), Effect.scope]),
  ([clock, heartbeat, readDeadline, runtime, scope]) => ({
    clock,
    heartbeat,
    readDeadline,
    fork: (effect) => Runtime.runFork(runtime)(effect, { scope })
  })
)

/**
 * Makes a transport's live connection. The transport is run by the caller, once
 * the sink is set; the scope closes the connection with 1001 if it is still open.
 */
export const open = (transport: Transport, options: LiveOptions): Effect.Effect<LiveConnection, never, Scope.Scope> =>
  Effect.flatMap(keeping, (keeping) => {
    const live = new LiveConnection(transport, options, keeping)
    return Effect.as(
      Effect.addFinalizer(() =>
        Effect.suspend(() => {
          live.close(CloseCode.GoingAway, "")
          return live.gone
        })
      ),
      live
    )
  })
