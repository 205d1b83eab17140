/**
 * Drives `Session.step`: holds the messages that the pure state only counts,
 * writes to the connection that acts for the session, and lets senders and the
 * one consumer wait. Both ends use it; everything here runs synchronously but
 * the waiting and the store.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { CloseCode } from "../CloseCode.js"
import { byteLength, type Codec, type Frame, type Payload } from "../Codec.js"
import {
  type ConnectionEnd,
  type MessageRefused,
  MessageTooLarge,
  NotSent,
  OutcomeUnknown,
  SessionClosed
} from "../ConnectionError.js"
import type * as Protocol from "../Protocol.js"
import * as Session from "../Session.js"
import type { Acknowledging, AckTimer } from "./ackTimer.js"
import { type Inbound, Inbox } from "./inbox.js"
import type { LiveConnection, Sink } from "./liveConnection.js"
import { type Entry, ReplayBuffer } from "./replayBuffer.js"
import { SeqWaiters } from "./seqWaiters.js"

/** What a client that starts afresh had to give up. */
export interface Abandoned {
  /** Messages that had left without being acknowledged: processed or not, nobody knows. */
  readonly outcomeUnknown: number
  /** Messages that had not left: they go out in the new session. */
  readonly carriedOver: number
}

type ControlMessage = Exclude<Protocol.Message, Protocol.Data | { type: "ack" | "ping" | "pong" }>

export interface Hooks {
  /** A message that is not the session's own business. */
  readonly control: (message: ControlMessage, live: LiveConnection) => void
  /** The connection that acted for the session is gone. */
  readonly detached: (end: ConnectionEnd, live: LiveConnection) => void
  /** The first message on a connection: the peer has what it was introduced with. */
  readonly proved: (generation: number) => void
  /** The peer has processed more of what was sent. */
  readonly released: () => void
  /**
   * Appends messages to the store, in order, and calls back with the outcome:
   * success, or a failure after which the session is over. One call at a time.
   */
  readonly append: ((entries: ReadonlyArray<Entry>, done: (exit: Exit.Exit<void, unknown>) => void) => void) | undefined
}

/** A message that was given its number, in the session of that epoch. */
interface Accepted {
  readonly seq: number
  readonly epoch: number
}

interface SendWaiter {
  readonly payload: Payload
  readonly size: number
  readonly confirm: boolean
  readonly resume: (result: Effect.Effect<Accepted, SessionClosed>) => void
}

export interface DriverOptions {
  readonly codec: Codec
  readonly limits: Protocol.Limits
  readonly bounds: { readonly messages: number; readonly bytes: number }
  readonly state: Session.State
  readonly ackTimer: AckTimer
  readonly hooks: Hooks
  /** Whether `replayed` is said after what was retransmitted. */
  readonly marksReplay: boolean
}

/** Room for the envelopes of a full window, beside the bodies that count. */
const envelopeAllowance = 128

export class SessionDriver implements Acknowledging {
  state: Session.State
  live: LiveConnection | undefined
  readonly counts = { replayed: 0, suppressed: 0 }
  readonly inbox = new Inbox()
  /** Why the session is over. */
  endReason: string | undefined
  /** What either end may have in flight, and the largest message. */
  private limits: Protocol.Limits

  private buffer: ReplayBuffer
  private epoch = 0
  private closing = false
  private sendWaiters: Array<SendWaiter> = []
  private readonly appends = new SeqWaiters<SessionClosed>()
  private readonly deliveries = new SeqWaiters<NotSent | OutcomeUnknown | MessageRefused>()
  private idleWaiters: Array<() => void> = []
  private appending = false
  private replayUntil: number | undefined
  private incoming: { readonly data: Protocol.Data; readonly size: number } | undefined

  constructor(private readonly options: DriverOptions) {
    this.state = options.state
    this.limits = options.limits
    this.buffer = new ReplayBuffer(options.bounds)
  }

  /** The server's limits hold for both directions. */
  obey(limits: Protocol.Limits): void {
    this.limits = limits
    this.state = { ...this.state, window: limits.messages }
  }

  /** Puts back what a store remembers of the messages to the peer. */
  restore(
    entries: ReadonlyArray<{ readonly seq: number; readonly payload: Payload; readonly confirm: boolean }>
  ): void {
    for (const entry of entries) this.buffer.push({ ...entry, size: byteLength(entry.payload) })
  }

  get buffered(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.buffer.size, bytes: this.buffer.bytes }
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
    const [state, effects] = Session.step(this.state, { _tag: "Attach", ...event })
    if (state === this.state) {
      const refusal = effects[0]
      return refusal?._tag === "Refuse" ? refusal.reason : "incomplete"
    }
    const old = this.live
    this.live = live
    this.state = state
    this.replayUntil = this.options.marksReplay && event.generation > 1 ? state.appended : undefined
    live.sink = new AttachedSink(this, live, event.generation)
    old?.close(CloseCode.TakenOver, "a newer connection of this session took over")
    introduce()
    this.perform(effects)
    return undefined
  }

  /** A frame of the connection that attached as this generation. */
  receive(live: LiveConnection, generation: number, frame: Frame): void {
    if (live !== this.live || this.endReason !== undefined) return
    const message = this.options.codec.decode(frame)
    switch (message.type) {
      case "malformed":
        return live.violate(message.code, message.reason)
      case "data":
        this.incoming = { data: message, size: frame.length }
        return this.apply({ _tag: "Received", generation, seq: message.seq, ack: message.ack })
      case "ack":
        return this.apply({ _tag: "Acknowledged", generation, ack: message.ack })
      case "ping":
        if (!live.isCongested) live.write(this.options.codec.encode({ type: "pong", id: message.id }))
        return
      case "pong":
        return live.ponged(message.id)
      default:
        this.options.hooks.control(message, live)
    }
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
    const [state, effects] = Session.step(this.state, event)
    this.state = state
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
    append(this.buffer.after(this.state.appended), (exit) => {
      this.appending = false
      if (exit._tag === "Failure" || this.endReason !== undefined) return
      this.apply({ _tag: "Appended", upTo })
      this.appends.reach(upTo)
      if (this.state.appended < this.state.sent) this.append()
    })
  }

  /** Writes what the connection and the peer's limits take now. */
  transmit(): void {
    const live = this.live
    if (live === undefined) return
    while (this.state.transmitted < this.state.appended && !live.isCongested) {
      const entry = this.buffer.get(this.state.transmitted + 1)
      if (entry?.seq !== this.state.transmitted + 1 || !this.fitsPeer(entry)) break
      if (entry.seq <= this.state.highest) this.counts.replayed++
      const ack = this.state.recorded
      live.write(this.options.codec.data(entry.seq, ack, entry.confirm, entry.payload))
      this.apply({ _tag: "Transmitted", seq: entry.seq, ack })
    }
    if (this.replayUntil !== undefined && this.state.transmitted >= this.replayUntil) {
      this.replayUntil = undefined
      live.write(this.options.codec.encode({ type: "replayed" }))
    }
    if (this.state.transmitted === this.state.sent) this.wakeIdle()
  }

  /** Whether the peer's limits allow one more message in flight; the first always is. */
  private fitsPeer(entry: Entry): boolean {
    const inFlight = this.state.transmitted - this.state.acked
    if (inFlight === 0) return true
    return inFlight < this.limits.messages && entry.offset - this.buffer.releasedOffset <= this.limits.bytes
  }

  private release(upTo: number): void {
    this.buffer.release(upTo)
    if (this.state.transmitted === this.state.sent) this.wakeIdle()
    this.deliveries.reach(upTo)
    this.admit()
    if (upTo > 0) this.options.hooks.released()
  }

  /** Accepts, in their order, the messages of senders that have waited for room that there is now. */
  private admit(): void {
    while (this.sendWaiters[0] !== undefined && this.buffer.hasRoom(this.sendWaiters[0].size)) {
      const waiter = this.sendWaiters.shift()
      if (waiter !== undefined) waiter.resume(Effect.succeed(this.push(waiter.payload, waiter.size, waiter.confirm)))
    }
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
  }

  // ---- the application's side

  private push(payload: Payload, size: number, confirm: boolean): Accepted {
    const seq = this.state.sent + 1
    this.buffer.push({ seq, payload, size, confirm })
    this.apply({ _tag: "Send" })
    return { seq, epoch: this.epoch }
  }

  /** Whether a message of this size would be accepted without waiting. */
  hasRoom(size: number): boolean {
    return this.sendWaiters.length === 0 && this.buffer.hasRoom(size)
  }

  /** Accepts a message into the buffer, after waiting for room. */
  send(payload: Payload, confirm: boolean): Effect.Effect<Accepted, SessionClosed | MessageTooLarge> {
    return Effect.suspend((): Effect.Effect<Accepted, SessionClosed | MessageTooLarge> => {
      if (this.endReason !== undefined) return Effect.fail(new SessionClosed({ reason: this.endReason }))
      if (this.closing) return Effect.fail(new SessionClosed({ reason: "it is being closed" }))
      const size = byteLength(payload)
      if (size > this.limits.maxMessage) {
        return Effect.fail(new MessageTooLarge({ size, limit: this.limits.maxMessage }))
      }
      if (this.hasRoom(size)) return this.whenAppended(this.push(payload, size, confirm))
      return Effect.flatMap(this.whenRoom(payload, size, confirm), (accepted) => this.whenAppended(accepted))
    })
  }

  private whenRoom(payload: Payload, size: number, confirm: boolean): Effect.Effect<Accepted, SessionClosed> {
    return Effect.async((resume) => {
      const waiter: SendWaiter = { payload, size, confirm, resume }
      this.sendWaiters.push(waiter)
      return Effect.sync(() => {
        this.sendWaiters = this.sendWaiters.filter((other) => other !== waiter)
        // Those behind a large message may fit where it did not.
        this.admit()
      })
    })
  }

  private whenAppended(accepted: Accepted): Effect.Effect<Accepted, SessionClosed> {
    const { seq } = accepted
    if (this.state.appended >= seq) return Effect.succeed(accepted)
    const already = () => {
      if (this.endReason !== undefined) return Effect.fail(new SessionClosed({ reason: this.endReason }))
      return this.state.appended >= seq ? Effect.void : undefined
    }
    return Effect.as(this.appends.wait(seq, already), accepted)
  }

  /** Sends, and waits until the peer has processed the message. */
  deliver(
    payload: Payload
  ): Effect.Effect<void, SessionClosed | MessageTooLarge | NotSent | OutcomeUnknown | MessageRefused> {
    return Effect.flatMap(this.send(payload, true), (accepted) => this.whenDelivered(accepted))
  }

  private whenDelivered({ epoch, seq }: Accepted): Effect.Effect<void, NotSent | OutcomeUnknown | MessageRefused> {
    return this.deliveries.wait(seq, () => {
      if (this.endReason !== undefined) return Effect.fail(this.fate(seq, this.endReason))
      if (epoch !== this.epoch) {
        return Effect.fail(new OutcomeUnknown({ reason: "the session was lost while it was being sent" }))
      }
      return this.state.acked >= seq ? Effect.void : undefined
    })
  }

  /** The peer refused this message of ours; it will acknowledge it all the same. */
  refused(seq: number, refusal: MessageRefused): void {
    this.deliveries.refuse(seq, refusal)
  }

  private fate(seq: number, reason: string): NotSent | OutcomeUnknown {
    return seq > this.state.highest ? new NotSent({ reason }) : new OutcomeUnknown({ reason })
  }

  /** The handler of this message succeeded. */
  processed(message: Inbound): void {
    if (message.epoch !== this.epoch) return
    this.inbox.processed(message)
    this.apply({ _tag: "Processed", seq: message.seq })
  }

  /** The store, if there is one, has everything processed up to this one; `now` acknowledges it at once. */
  recorded(upTo: number, now: boolean): void {
    this.apply({ _tag: "Recorded", upTo })
    if (now) this.sendAck()
  }

  // ---- ends

  /** Accepts nothing more, and waits until all that was accepted has been written, or the connection is gone. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.closing = true
    if (this.live === undefined || this.state.transmitted === this.state.sent) return Effect.void
    return Effect.async<void>((resume) => {
      this.idleWaiters.push(() => resume(Effect.void))
    })
  })

  private wakeIdle(): void {
    if (this.idleWaiters.length === 0) return
    const idle = this.idleWaiters
    this.idleWaiters = []
    for (const wake of idle) wake()
  }

  /** The session is over: everybody who waits is told. The connection is the caller's business. */
  end(reason: string): void {
    if (this.endReason !== undefined) return
    this.endReason = reason
    const closed = Effect.fail(new SessionClosed({ reason }))
    for (const waiter of this.sendWaiters) waiter.resume(closed)
    this.sendWaiters = []
    this.appends.fail(() => new SessionClosed({ reason }))
    this.deliveries.fail((seq) => this.fate(seq, reason))
    this.apply({ _tag: "End" })
    this.buffer.clear()
    this.live = undefined
    this.inbox.close(reason)
    this.wakeIdle()
  }

  /**
   * Starts a new session in place of a lost one. What had left and was not
   * acknowledged is given up; what had not left goes out in the new session.
   */
  startAfresh(reason: string): Abandoned {
    const { acked, highest } = this.state
    const waiting = this.buffer.after(highest)
    this.epoch++
    this.inbox.unprocessedSize = 0
    this.state = Session.initial(this.state.window)
    this.buffer.clear()
    for (const entry of waiting) this.push(entry.payload, entry.size, entry.confirm)
    this.deliveries.restart(highest, new OutcomeUnknown({ reason }))
    this.admit()
    return { outcomeUnknown: highest - acked, carriedOver: waiting.length }
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

  drained(): void {
    if (this.driver.live === this.live) this.driver.drained()
  }

  ended(end: ConnectionEnd): void {
    this.driver.detach(this.live, this.generation, end)
  }
}
