/**
 * One connection, kept alive and judged: the mutable core behind `Connection`,
 * `Client` and `Gateway`. Transport callbacks come in on one side, a `Sink`
 * hears of frames and of the end on the other; the first reason to end wins.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Frame } from "../protocol/Codec.js"
import { type ConnectionEnd, ReadDeadlineExceeded } from "../protocol/ConnectionError.js"
import * as features from "../protocol/features.js"
import { monotonic, toWallTime, wallTime } from "./clocks.js"
import type * as Heartbeat from "./heartbeat.js"
import { Backpressure } from "./live/backpressure.js"
import { Lifecycle } from "./live/lifecycle.js"
import { idOf, PingTracker, payloadOf } from "./live/pingTracker.js"
import { deadlinesOf } from "./live/progress.js"
import type { Sink } from "./live/sink.js"
import * as supervisor from "./live/supervisor.js"
import type { Suspicion } from "./live/suspicion.js"
import * as metrics from "./metrics.js"
import type * as ReadDeadline from "./readDeadline.js"
import type { CloseEvent, Receiver, Transport } from "./Transport.js"
import * as WriteDeadline from "./writeDeadline.js"

/** The owner of connections: supervises them, and may hear of their last phases. */
export interface Owner extends supervisor.Supervisor {
  /** A connection has ended, and its socket is still there. */
  readonly closing?: (live: LiveConnection) => void
  /** A connection's socket is gone. */
  readonly closed?: (live: LiveConnection) => void
}

export interface LiveOptions {
  readonly writeDeadline: number
  readonly closeTimeout: number
  readonly highWaterMark: number
}

/** A peer that goes on sending after the end is not read any more after so many frames. */
const lateFrames = 64

export class LiveConnection extends Lifecycle implements Receiver, Heartbeat.Beating, ReadDeadline.Watched {
  /** When something last arrived that shows the peer alive, on the monotonic clock. */
  lastActivity: number
  /** When the first ping left that nothing has come after. */
  unansweredSince: number | undefined
  /** The longest silence that a heartbeat found it alive after, in milliseconds. */
  endured = 0
  /** Since when a frame has been coming that is not whole. */
  private partialSince: number | undefined
  /** When it was made, in milliseconds since the epoch. */
  readonly since: number
  readonly counts = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0, heartbeatsMissed: 0 }
  /** Of the protocol, what both ends know: from the hello or the welcome on. */
  features: features.Shared = features.none

  /** Sends a heartbeat as a message of the protocol, for peers that cannot ping. */
  messagePing: ((id: number) => void) | undefined

  /** Tells of a peer that leaves a ping unanswered, where somebody is to hear of it at once. */
  suspicion: Suspicion | undefined

  private heart: Heartbeat.Heart | undefined
  private watch: ReadDeadline.Watch | undefined
  /** Milliseconds between heartbeats. */
  interval = 0
  private readDeadline = 0
  /** While bytes wait, watched by a fiber. */
  private backlog: WriteDeadline.Backlog | undefined
  /** A ping was sent that must be answered in time. */
  private probing: { isAnswered: boolean } | undefined
  isPaused = false
  readonly pings = new PingTracker()
  private readonly backpressure: Backpressure

  constructor(
    transport: Transport,
    readonly options: LiveOptions,
    protected override readonly owner: Owner
  ) {
    super(transport, owner, options.closeTimeout)
    this.backpressure = new Backpressure(transport, options.highWaterMark)
    this.since = wallTime(owner.clock)
    this.lastActivity = this.now
  }

  // ---- its phases

  /** Connecting → Open: what has come since there is a socket, and all that follows, is heard by this one. */
  open(sink: Sink): void {
    this.handOver(sink)
    this.transport.run(this)
  }

  protected stop(end: ConnectionEnd): void {
    this.suspicion?.stop()
    this.heart?.stop()
    this.watch?.stop()
    this.backpressure.release()
    metrics.flush(this.counts, this.pings.roundTrip)
    metrics.ended(end)
  }

  protected closing(): void {
    this.owner.closing?.(this)
  }

  override closed(event: CloseEvent): void {
    super.closed(event)
    this.owner.closed?.(this)
  }

  // ---- what comes

  private heard(at = this.now, partialSince?: number): void {
    this.partialSince = partialSince
    this.lastActivity = at
    this.unansweredSince = undefined
    this.suspicion?.cleared()
    if (this.probing !== undefined) this.probing.isAnswered = true
  }

  message(frame: Frame): void {
    if (this.phase._tag !== "Open") return this.tooLate()
    this.heard()
    this.counts.messagesIn++
    this.counts.bytesIn += frame.length
    try {
      this.phase.sink.message(frame)
    } catch (defect) {
      this.fail("the message could not be handled", Cause.die(defect))
    }
  }

  fragment(size: number): void {
    if (this.phase._tag !== "Open") return this.tooLate()
    this.heard()
    this.phase.sink.fragment?.(size)
  }

  partial(size: number): void {
    if (this.phase._tag !== "Open") return this.tooLate()
    const { now } = this
    const since = this.partialSince ?? now
    // Its last byte is life until all its deadlines are over.
    const latest = since + (deadlinesOf(size) - 1) * this.readDeadline
    this.heard(Math.max(this.lastActivity, Math.min(now, latest)), since)
    this.phase.sink.partial?.()
  }

  ping(payload: Uint8Array): void {
    if (this.phase._tag !== "Open") return this.tooLate()
    this.heard()
    this.phase.sink.pinged?.(payload.byteLength)
    this.backpressure.pong(payload)
  }

  pong(payload: Uint8Array): void {
    if (this.phase._tag !== "Open") return this.tooLate()
    this.heard()
    // What this end has asked for is bounded by that.
    if (!this.pings.answered(idOf(payload), this.lastActivity)) this.phase.sink.pinged?.(payload.byteLength)
  }

  /** The close handshake goes on, and so may a flood. */
  private tooLate(): void {
    if (this.phase._tag === "Closing" && ++this.phase.lateFrames === lateFrames) this.transport.discard?.()
  }

  /** A pong came as a message, which was heard. */
  ponged(id: number): void {
    if (this.end === undefined) this.pings.answered(id, this.lastActivity)
  }

  // ---- whether the peer lives

  /** Stops reading; the read deadline does not run until `resume`. */
  pause(): void {
    if (this.isPaused || this.end !== undefined) return
    this.isPaused = true
    this.suspicion?.cleared()
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
    this.readDeadline = timing.readDeadline
    this.heart = this.owner.heartbeat.start(this, part)
    this.watch = this.owner.readDeadline.watch(this, timing.readDeadline)
  }

  /**
   * Something may have happened that nobody was told: judges the silence until now, and has the peer answer within `timeout`
   * milliseconds where it can be asked.
   */
  probe(readDeadline: number, timeout: number): void {
    if (this.end !== undefined || this.isPaused) return
    const { lastActivity } = this
    const silence = this.now - lastActivity
    if (silence >= readDeadline) return this.exceeded(readDeadline)
    if (this.probing !== undefined || (this.messagePing === undefined && this.transport.ping === undefined)) return
    const probing = { isAnswered: false }
    this.probing = probing
    this.beat()
    const judge = Effect.sync(() =>
      this.afterReads(() => {
        this.probing = undefined
        if (probing.isAnswered || this.isPaused) return
        this.finish(this.silent(lastActivity, silence + timeout))
      })
    )
    this.supervise(Effect.zipRight(Effect.sleep(timeout), judge))
  }

  beat(): void {
    // While this end does not read, no answer can come.
    if (this.pings.isMissed && !this.isPaused) this.counts.heartbeatsMissed++
    metrics.flush(this.counts, this.pings.roundTrip)
    this.endured = Math.max(this.endured, this.silence)
    this.unansweredSince ??= this.now
    const id = this.pings.next(this.now)
    if (this.messagePing !== undefined) this.messagePing(id)
    else this.transport.ping?.(payloadOf(id))
    this.suspicion?.pinged()
  }

  /** True when nothing has come for so many milliseconds since a ping asked for it: while this end does not read, nothing can. */
  isUnansweredFor(millis: number): boolean {
    const { unansweredSince } = this
    return unansweredSince !== undefined && !this.isPaused && this.now - unansweredSince >= millis
  }

  exceeded(deadline: number): void {
    const { lastActivity } = this
    this.afterReads(() => {
      if (this.isPaused) return
      if (this.lastActivity === lastActivity) this.finish(this.silent(lastActivity, deadline))
      else this.watch?.resumed()
    })
  }

  private silent(lastActivity: number, deadline: number): ReadDeadlineExceeded {
    return new ReadDeadlineExceeded({ lastActivity: this.toWallTime(lastActivity), deadline })
  }

  /** Milliseconds since something came, or was to be answered with a pong: what else left, its answer has followed. */
  get silence(): number {
    return this.now - Math.max(this.lastActivity, this.pings.lastAt ?? 0)
  }

  private get now(): number {
    return monotonic(this.owner.clock)
  }

  /** For showing. */
  toWallTime(at: number): number {
    return toWallTime(this.owner.clock, at)
  }

  // ---- what goes out

  congested(): void {
    if (this.end !== undefined) return
    this.backpressure.congested()
    const taken = () => this.backpressure.gone
    const isWatched = this.backlog !== undefined
    const backlog = this.backlog ?? new WriteDeadline.Backlog()
    backlog.note(this.now, this.transport.accepted(), taken())
    this.backlog = backlog
    if (isWatched) return
    this.supervise(
      Effect.ensuring(
        WriteDeadline.run(backlog, taken, this.options.writeDeadline),
        Effect.sync(() => {
          this.backlog = undefined
        })
      )
    )
  }

  drained(): void {
    if (this.phase._tag === "Open" && this.backpressure.drained()) this.phase.sink.drained()
  }

  /** True while a write would wait in memory; whoever is told so hears `drained`. */
  get isCongested(): boolean {
    return this.backpressure.isCongested
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
    return this.backpressure.room
  }
}

/**
 * Makes a transport's live connection, which runs it when it is opened; the
 * scope closes the connection with 1001 if it is still open.
 */
export const make = (transport: Transport, options: LiveOptions): Effect.Effect<LiveConnection, never, Scope.Scope> =>
  Effect.flatMap(supervisor.make, (owner) => {
    const live = new LiveConnection(transport, options, owner)
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
