/**
 * Drives `Session.advance`: holds the messages that the pure state only counts,
 * writes to the connection that acts for the session, and lets senders and the
 * one consumer wait. Both ends use it; everything here runs synchronously but
 * the waiting and the store.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { LiveConnection, Sink } from "../connection/liveConnection.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec, Frame } from "../protocol/Codec.js"
import type { ConnectionEnd, MessageTooLarge } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import { isRequest } from "../protocol/requests.js"
import type { Acknowledging, AckTimer } from "./ackTimer.js"
import * as largestBody from "./bodyLimit.js"
import type { RateGuard } from "./inboundLimiter.js"
import { type Inbound, Inbox } from "./inbox.js"
import { Outbox, type Sending } from "./outbox.js"
import type { Paced, Pacer } from "./pacer.js"
import type { Entry } from "./replayBuffer.js"
import * as Session from "./Session.js"

/** What a client that starts afresh had to give up. */
export interface Abandoned {
  /** Messages that had left without being acknowledged: processed or not, nobody knows. */
  readonly outcomeUnknown: number
  /** Messages that had not left: they go out in the new session. */
  readonly carriedOver: number
}

type ControlMessage = Exclude<Protocol.Message, Protocol.Data | { type: "ack" | "ping" | "pong" }>

export interface Hooks {
  /** A message that is not the session's own business, and its size. */
  readonly control: (message: ControlMessage, live: LiveConnection, size: number) => void
  /** The connection that acted for the session is gone. */
  readonly detached: (end: ConnectionEnd, live: LiveConnection) => void
  /** The first message on a connection: the peer has what it was introduced with. */
  readonly proved: (generation: number) => void
  /** There are messages to handle, or there will be none any more. */
  readonly arrived: (() => void) | undefined
  /** The connection takes writes again, and the session's messages went first. */
  readonly drained: () => void
  /** The peer has processed more of what was sent. */
  readonly released: () => void
  /** This end has processed the messages up to this one, and the peer was not told. */
  readonly recorded: ((upTo: number) => void) | undefined
  /** A message was taken back, and those after it have moved up; `undefined` where what was accepted stays. */
  readonly withdrawn: ((seq: number) => void) | undefined
  /**
   * Appends messages to the store, in order, and calls back with the outcome:
   * success, or a failure after which the session is over. One call at a time.
   */
  readonly append:
    | ((entries: ReadonlyArray<Entry>, done: (exit: Exit.Exit<unknown, unknown>) => void) => void)
    | undefined
}

export interface DriverOptions {
  readonly codec: Codec
  readonly limits: Protocol.Limits
  /** The largest body that this end takes, in bytes. */
  readonly largestBody: number
  readonly bounds: { readonly messages: number; readonly bytes: number }
  readonly state: Session.State
  readonly ackTimer: AckTimer
  readonly hooks: Hooks
  /** Counts what the peer sends. */
  readonly guard?: RateGuard | undefined
  /** Spreads what this end sends. */
  readonly pacing?: Pacer | undefined
  /** Whether `replayed` is said after what was retransmitted. */
  readonly marksReplay: boolean
}

/** Room for the envelopes of a full window, beside the bodies that count. */
const envelopeAllowance = 128

/** A smaller fragment of a message counts as a message by itself: a flood of them would cost what its bytes do not say. */
const smallFragment = 1024

export class SessionDriver implements Acknowledging, Paced, Sending {
  state: Session.Draft
  live: LiveConnection | undefined
  readonly counts = { replayed: 0, suppressed: 0 }
  readonly inbox: Inbox
  readonly outbox: Outbox
  /** Why the session is over. */
  endReason: string | undefined
  /** What either end may have in flight, and the largest message. */
  private limits: Protocol.Limits
  /** Bytes of the largest message to the peer: both ends allow it. */
  maxMessage: number
  /** Bytes of the largest that the peer takes, as far as it has said. */
  peerTakes = Number.POSITIVE_INFINITY

  private epoch = 0
  private idleWaiters: Array<() => void> = []
  private appending = false
  private replayUntil: number | undefined
  private incoming: { readonly data: Protocol.Data; readonly size: number } | undefined

  constructor(private readonly options: DriverOptions) {
    this.state = { ...options.state }
    this.limits = options.limits
    this.maxMessage = options.limits.maxMessage
    this.inbox = new Inbox(options.hooks.arrived)
    this.outbox = new Outbox(options.bounds, this)
  }

  /** The server's limits hold for both directions. */
  obey(limits: Protocol.Limits, live: LiveConnection): void {
    this.limits = limits
    this.maxMessage = limits.maxMessage
    this.outbox.refuseLarger()
    this.state.window = limits.messages
    this.options.pacing?.obey(limits, live.features.has("request-limits"))
  }

  /**
   * The client says what it takes, and what it has processed; from now on it is sent no more. False when a message that it
   * needs is larger.
   */
  heed(peerTakes: number, processed: number): boolean {
    this.peerTakes = peerTakes
    this.maxMessage = Math.min(this.limits.maxMessage, peerTakes)
    this.outbox.refuseLarger()
    return !this.outbox.holdsLarger(peerTakes, processed)
  }

  /** Says something besides, if there is a connection that takes it now. */
  say(message: Protocol.Refusal): void {
    if (this.live !== undefined && !this.live.isCongested) this.live.write(this.options.codec.encode(message))
  }

  /** Writes what does not wait for its turn: it is small, and there is little of it. */
  writeUnpaced(live: LiveConnection, message: Exclude<Protocol.Message, Protocol.Data>): void {
    const frame = this.options.codec.encode(message)
    this.options.pacing?.charge(frame.length)
    live.write(frame)
  }

  /** What the server allows. */
  get allowed(): Protocol.Limits {
    return this.limits
  }

  // ---- the connection

  /**
   * Has a connection act for the session, taking over from the one that did.
   * `introduce` is called when it may: what the peer must hear before anything else.
   */
  attach(
    live: LiveConnection,
    event: Omit<Extract<Session.Event, { _tag: "Attach" }>, "_tag">,
    introduce: () => void
  ): Protocol.ResetReason | undefined {
    const effects = Session.advance(this.state, { _tag: "Attach", ...event })
    if (this.state.generation !== event.generation || effects.length === 0) {
      const refusal = effects[0]
      return refusal?._tag === "Refuse" ? refusal.reason : "incomplete"
    }
    const old = this.live
    this.live = live
    this.replayUntil = this.options.marksReplay && event.generation > 1 ? this.state.appended : undefined
    live.sink = new AttachedSink(this, live, event.generation)
    old?.close(CloseCode.TakenOver, "a newer connection of this session took over")
    introduce()
    this.perform(effects)
    return undefined
  }

  /** A frame of the connection that attached as this generation. */
  receive(live: LiveConnection, generation: number, frame: Frame): void {
    if (live !== this.live || this.endReason !== undefined) return
    const { codec } = this.options
    const message = largestBody.obeyed(codec.decode(frame), codec, frame, this.options.largestBody)
    // An acknowledgement of something new is one for which this end has sent a message: that bounds them.
    const isAsked = message.type === "ack" && message.ack > this.state.acked
    if (!isAsked && this.options.guard?.admits(live, frame.length, isRequest(message)) === false) return
    switch (message.type) {
      case "malformed":
        return live.violate(message.code, message.reason)
      case "data":
        this.incoming = { data: message, size: frame.length }
        return this.apply({ _tag: "Received", generation, seq: message.seq, ack: message.ack })
      case "ack":
        return this.apply({ _tag: "Acknowledged", generation, ack: message.ack })
      case "ping":
        if (!live.isCongested) this.writeUnpaced(live, { type: "pong", id: message.id })
        return
      case "pong":
        return live.ponged(message.id)
      default:
        this.options.hooks.control(message, live, frame.length)
    }
  }

  /** A ping or pong of the WebSocket, or a small fragment. */
  pinged(live: LiveConnection, size: number): void {
    if (live === this.live && this.endReason === undefined) this.options.guard?.admits(live, size)
  }

  /** The peer has what it was introduced with. */
  proved(live: LiveConnection, generation: number): void {
    if (live === this.live) this.options.hooks.proved(generation)
  }

  detach(live: LiveConnection, generation: number, end: ConnectionEnd): void {
    if (live !== this.live) return
    this.live = undefined
    this.apply({ _tag: "Detach", generation })
    this.wakeIdle()
    this.options.hooks.detached(end, live)
  }

  // ---- the pure step and what it asks for

  private apply(event: Session.Event): void {
    const effects = Session.advance(this.state, event)
    if (effects.length > 0) this.perform(effects)
  }

  private perform(effects: ReadonlyArray<Session.Effect>): void {
    for (const effect of effects) {
      switch (effect._tag) {
        case "Append":
          this.append()
          break
        case "Transmit":
          this.transmit()
          break
        case "Release":
          this.release(effect.upTo)
          break
        case "Withdraw":
          this.withdraw(effect.seq)
          break
        case "Deliver":
          this.accept(effect.seq)
          break
        case "Suppress":
          this.counts.suppressed++
          break
        case "AckDue":
          this.ackSoon()
          break
        case "Violation":
          this.live?.violate(CloseCode.ProtocolViolation, effect.reason)
          break
        case "Refuse":
          break // answered by `attach`
      }
    }
  }

  private append(): void {
    const append = this.options.hooks.append
    if (append === undefined) {
      this.apply({ _tag: "Appended", upTo: this.state.sent })
      return
    }
    if (this.appending) return
    this.appending = true
    const upTo = this.state.sent
    append(this.outbox.after(this.state.appended), (exit) => {
      this.appending = false
      if (exit._tag === "Failure" || this.endReason !== undefined) return
      this.apply({ _tag: "Appended", upTo })
      this.outbox.appended(upTo)
      if (this.state.appended < this.state.sent) this.append()
    })
  }

  /** Writes what the connection and the peer's limits take now. */
  transmit(): void {
    const live = this.live
    if (live === undefined) return
    const { pacing } = this.options
    while (this.state.transmitted < this.state.appended && !live.isCongested && !pacing?.holds(this)) {
      const entry = this.outbox.get(this.state.transmitted + 1)
      if (entry?.seq !== this.state.transmitted + 1 || !this.fitsPeer(entry)) break
      const ack = this.state.recorded
      const frame = this.options.codec.data(entry.seq, ack, entry.confirm, entry.payload)
      if (pacing?.take(frame.length, this) === false) break
      if (entry.seq <= this.state.highest) this.counts.replayed++
      live.write(frame)
      this.apply({ _tag: "Transmitted", seq: entry.seq, ack })
    }
    if (this.replayUntil !== undefined && this.state.transmitted >= this.replayUntil) {
      this.replayUntil = undefined
      live.write(this.options.codec.encode({ type: "replayed" }))
    }
    if (this.state.transmitted === this.state.sent) this.wakeIdle()
  }

  /** The peer's rates allow the next message. */
  paced(): void {
    this.transmit()
  }

  /** Whether the peer's limits allow one more message in flight; the first always is. */
  private fitsPeer(entry: Entry): boolean {
    const inFlight = this.state.transmitted - this.state.acked
    if (inFlight === 0) return true
    return inFlight < this.limits.messages && this.outbox.bytesWith(entry) <= this.limits.bytes
  }

  private release(upTo: number): void {
    this.outbox.release(upTo)
    if (this.state.transmitted === this.state.sent) this.wakeIdle()
    if (upTo > 0) this.options.hooks.released()
  }

  private withdraw(seq: number): void {
    this.options.hooks.withdrawn?.(seq)
    // What waits for its turn may be another message now, of another size.
    if (seq === this.state.transmitted + 1) this.options.pacing?.leave(this)
    this.outbox.withdrawn(seq)
  }

  private accept(seq: number): void {
    const incoming = this.incoming
    if (incoming === undefined) return
    const { body, confirm } = incoming.data
    this.inbox.push({ seq, body, confirm: confirm === true, size: incoming.size, epoch: this.epoch })
    const { bytes, maxMessage, messages } = this.limits
    if (this.inbox.unprocessedSize > Math.max(bytes, maxMessage) + messages * envelopeAllowance) {
      this.live?.violate(
        CloseCode.ProtocolViolation,
        `more than ${bytes} bytes sent without waiting for acknowledgement`
      )
    }
  }

  // ---- acknowledging

  private ackSoon(): void {
    const behind = this.state.recorded - this.state.ackSent
    if (behind * 4 >= this.limits.messages) this.sendAck()
    else this.options.ackTimer.add(this)
  }

  /** Acknowledges what is recorded, unless a message has done so meanwhile. */
  sendAck(): void {
    const { ackSent, recorded } = this.state
    // While the connection is congested the next message, or the end of the congestion, brings it.
    if (this.live === undefined || ackSent >= recorded || this.live.isCongested) return
    this.live.write(this.options.codec.encode({ type: "ack", ack: recorded }))
    this.apply({ _tag: "AckSent", upTo: recorded })
  }

  /** The connection takes writes again. */
  drained(): void {
    this.transmit()
    this.sendAck()
    this.options.hooks.drained()
  }

  // ---- the application's side

  /** The outbox has one more message. */
  send(): void {
    this.apply({ _tag: "Send" })
  }

  /** Takes back a message that was never written, where that can be. */
  giveUp(seq: number): void {
    if (this.options.hooks.withdrawn !== undefined) this.apply({ _tag: "Withdrawn", seq })
  }

  /** The handler of this message succeeded. */
  processed(message: Inbound): void {
    if (message.epoch !== this.epoch) return
    this.inbox.processed(message)
    this.apply({ _tag: "Processed", seq: message.seq })
  }

  /** The store, if there is one, has everything processed up to this one; `now` acknowledges it at once. */
  recorded(upTo: number, now: boolean): void {
    this.options.hooks.recorded?.(upTo)
    this.apply({ _tag: "Recorded", upTo })
    if (now) this.sendAck()
  }

  // ---- ends

  /** Accepts nothing more, and waits until all that was accepted has been written, or the connection is gone. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.outbox.close()
      if (this.live === undefined || this.state.transmitted === this.state.sent) return Effect.void
      return Effect.async<void>((resume) => {
        this.idleWaiters.push(() => resume(Effect.void))
      })
    })
  }

  private wakeIdle(): void {
    if (this.idleWaiters.length === 0) return
    const idle = this.idleWaiters
    this.idleWaiters = []
    for (const wake of idle) wake()
  }

  /** The session is over, or kept for another client: everybody who waits is told. The connection is the caller's business. */
  end(reason: string, isKept = false): void {
    if (this.endReason !== undefined) return
    this.endReason = reason
    this.outbox.end(reason, isKept)
    this.apply({ _tag: "End" })
    this.live = undefined
    this.options.pacing?.end()
    this.inbox.close(reason)
    this.wakeIdle()
  }

  /**
   * Starts a new session in place of a lost one. What had left and was not
   * acknowledged is given up; what had not left goes out in the new session, but for what the server does not take any more.
   */
  startAfresh(reason: string, refused: (error: MessageTooLarge) => void): Abandoned {
    const { acked, highest, window } = this.state
    const reset = () => {
      this.epoch++
      this.inbox.unprocessedSize = 0
      this.state = Session.initial(window)
    }
    const carriedOver = this.outbox.restart(highest, reason, reset, refused)
    return { outcomeUnknown: highest - acked, carriedOver }
  }
}

/** Hears of one connection on the session's behalf, by the generation it attached with. */
class AttachedSink implements Sink {
  private proven = false

  constructor(
    private readonly driver: SessionDriver,
    private readonly live: LiveConnection,
    private readonly generation: number
  ) {}

  message(frame: Frame): void {
    this.driver.receive(this.live, this.generation, frame)
    if (this.proven || this.live.end !== undefined) return
    this.proven = true
    this.driver.proved(this.live, this.generation)
  }

  pinged(size: number): void {
    this.driver.pinged(this.live, size)
  }

  /** The bytes of all are counted with the message that they make; what many small ones cost besides is counted here. */
  fragment(size: number): void {
    if (size < smallFragment) this.driver.pinged(this.live, 0)
  }

  drained(): void {
    if (this.driver.live === this.live) this.driver.drained()
  }

  ended(end: ConnectionEnd): void {
    this.driver.detach(this.live, this.generation, end)
  }
}
