/**
 * Drives `sessionMachine.advance`: holds the messages that the pure state only counts,
 * writes to the connection that acts for the session, and lets senders and the
 * one consumer wait. Both ends use it; everything here runs synchronously but
 * the waiting and the store.
 */
import * as Effect from "effect/Effect"
import type { LiveConnection } from "../connection/liveConnection.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Frame } from "../protocol/Codec.js"
import type { ConnectionEnd, MessageTooLarge } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { Acknowledging } from "./ackTimer.js"
import { type Attachable, AttachedSink } from "./attachedSink.js"
import * as bodyLimit from "./bodyLimit.js"
import type { Abandoned, DriverOptions, Hooks } from "./driverOptions.js"
import { FlowControl } from "./flowControl.js"
import { isOfBytes } from "./inboundLimiter.js"
import { type Inbound, Inbox } from "./inbox.js"
import { LargeMessages, type WithLarge } from "./large/largeMessages.js"
import { isInParts } from "./large/partExchange.js"
import type { Piece } from "./large/partReceiver.js"
import { Outbox, type Sending } from "./outbox.js"
import type { Paced } from "./pacer.js"
import type { Entry } from "./replayBuffer.js"
import * as sessionMachine from "./sessionMachine.js"

export class SessionDriver implements Acknowledging, Attachable, Paced, Sending, WithLarge {
  state: sessionMachine.Draft
  live: LiveConnection | undefined
  readonly counts = { replayed: 0, suppressed: 0 }
  readonly inbox: Inbox
  readonly outbox: Outbox
  /** Why the session is over. */
  endReason: string | undefined
  readonly flow: FlowControl
  private epoch = 0
  private replayUntil: number | undefined
  /** Made when there is a large message to send, or a part of one comes. */
  largeMessages: LargeMessages | undefined

  constructor(
    private readonly options: DriverOptions,
    private readonly hooks: Hooks,
    state: sessionMachine.State
  ) {
    this.state = { ...state }
    this.flow = new FlowControl(options.limits)
    this.inbox = new Inbox(hooks)
    this.outbox = new Outbox(options.bounds, this)
  }

  /** The server's limits hold for both directions. */
  obey(limits: Protocol.Limits, live: LiveConnection): void {
    this.flow.obey(limits)
    this.outbox.refuseLarger()
    this.state.window = limits.messages
    this.options.pacing?.obey(limits, live.features.has("request-limits"))
  }

  /**
   * The client says what it takes, and what it has processed; from now on it is sent no more. False when a message that it
   * needs is larger.
   */
  heed(peerTakes: number, processed: number): boolean {
    this.flow.heed(peerTakes)
    this.outbox.refuseLarger()
    return !this.outbox.holdsLarger(peerTakes, processed)
  }

  /** Says something besides, if there is a connection that takes it now. */
  say(message: Protocol.Refusal): void {
    if (this.live !== undefined && !this.live.isCongested) this.live.write(this.options.codec.encode(message))
  }

  /** Writes what does not wait for its turn: it is small, and there is little of it. */
  writeUnpaced(live: LiveConnection, message: Protocol.Control): void {
    const frame = this.options.codec.encode(message)
    this.options.pacing?.charge(frame.length)
    live.write(frame)
  }

  // ---- the connection

  /**
   * Has a connection act for the session, taking over from the one that did.
   * `introduce` is called when it may: what the peer must hear before anything else.
   */
  attach(
    live: LiveConnection,
    event: Omit<Extract<sessionMachine.Event, { _tag: "Attach" }>, "_tag">,
    peerHas: Protocol.Unfinished | undefined,
    introduce: () => void
  ): Protocol.ResetReason | undefined {
    const effects = sessionMachine.advance<Inbound, Piece>(this.state, { _tag: "Attach", ...event })
    if (this.state.generation !== event.generation || effects.length === 0) {
      const refusal = effects[0]
      return refusal?._tag === "Refuse" ? refusal.reason : "incomplete"
    }
    const old = this.live
    this.live = live
    ;(peerHas === undefined ? this.largeMessages : this.large)?.attached(peerHas)
    this.replayUntil = this.options.marksReplay && event.generation > 1 ? this.state.appended : undefined
    live.handOver(new AttachedSink(this, live, event.generation))
    old?.close(CloseCode.TakenOver, "a newer connection of this session took over")
    introduce()
    this.perform(effects)
    return undefined
  }

  /** A frame of the connection that attached as this generation. */
  receive(live: LiveConnection, generation: number, frame: Frame): void {
    if (live !== this.live || this.endReason !== undefined) return
    const { codec } = this.options
    const message = bodyLimit.obeyed(codec.decode(frame), codec, frame, this.options.largestBody)
    // An acknowledgement of something new is one for which this end has sent a message: that bounds them.
    const isAsked = (message.type === "ack" && message.ack > this.state.acked) || this.largeMessages?.isAnswer(message)
    if (isAsked !== true && this.options.guard?.admits(live, frame.length, isOfBytes(message)) === false) return
    switch (message.type) {
      case "malformed":
        return live.violate(message.code, message.reason)
      case "data":
        return this.received(message, generation, frame.length)
      case "part":
      case "received":
      case "chunk":
      case "chunk-received":
        return this.large.receive(message, live, generation)
      case "ack":
        return this.apply({ _tag: "Acknowledged", generation, ack: message.ack })
      case "ping":
        return live.isCongested ? undefined : this.writeUnpaced(live, { type: "pong", id: message.id })
      case "pong":
        return live.ponged(message.id)
      default:
        this.hooks.control(message, live, frame.length)
    }
  }

  pinged(live: LiveConnection, size: number): void {
    if (live === this.live && this.endReason === undefined) this.options.guard?.admits(live, size)
  }

  proved(live: LiveConnection, generation: number): void {
    if (live === this.live) this.hooks.proved(generation)
  }

  detach(live: LiveConnection, generation: number, end: ConnectionEnd): void {
    if (live !== this.live) return
    this.live = undefined
    this.largeMessages?.detached()
    this.apply({ _tag: "Detach", generation })
    this.outbox.writesNoMore()
    this.hooks.detached(end, live)
  }

  // ---- the pure step and what it asks for

  apply(event: sessionMachine.Event<Inbound, Piece>): void {
    const effects = sessionMachine.advance(this.state, event)
    if (effects.length > 0) this.perform(effects)
  }

  private perform(effects: ReadonlyArray<sessionMachine.Effect<Inbound, Piece>>): void {
    for (const effect of effects) {
      switch (effect._tag) {
        case "Append":
          this.outbox.append(this.hooks)
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
          this.accept(effect.message)
          break
        case "Keep":
        case "Complete":
          this.large.parts.take(effect)
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

  /** Writes what the connection and the peer's limits take now. */
  transmit(): void {
    const live = this.live
    if (live === undefined) return
    const { pacing } = this.options
    while (this.state.transmitted < this.state.appended && !live.isCongested && !pacing?.holds(this)) {
      const entry = this.outbox.get(this.state.transmitted + 1)
      if (entry?.seq !== this.state.transmitted + 1) break
      if (!this.flow.fits(this.state.transmitted - this.state.acked, this.outbox.bytesWith(entry))) break
      if (!(isInParts(entry, live, this.flow) ? this.large.parts.write(live, entry) : this.writeWhole(live, entry)))
        break
    }
    if (this.replayUntil !== undefined && this.state.transmitted >= this.replayUntil) {
      this.replayUntil = undefined
      live.write(this.options.codec.encode({ type: "replayed" }))
    }
    this.outbox.wrote()
  }

  /** False when it has to wait. */
  private writeWhole(live: LiveConnection, entry: Entry): boolean {
    const ack = this.state.recorded
    const frame = this.options.codec.data(entry.seq, ack, entry.confirm, entry.payload)
    if (this.options.pacing?.take(frame.length, this) === false) return false
    if (entry.seq <= this.state.highest) this.counts.replayed++
    live.write(frame)
    this.apply({ _tag: "Transmitted", seq: entry.seq, ack })
    return true
  }

  /** The peer's rates allow the next message. */
  paced(): void {
    this.transmit()
  }

  private release(upTo: number): void {
    this.outbox.release(upTo)
    this.outbox.wrote()
    if (upTo > 0) this.hooks.released()
  }

  private withdraw(seq: number): void {
    this.hooks.withdrawn?.(seq)
    // What waits for its turn may be another message now, of another size.
    if (seq === this.state.transmitted + 1) this.options.pacing?.leave(this)
    this.outbox.withdrawn(seq)
  }

  received({ ack, body, confirm, seq }: Protocol.Data, generation: number, size: number): void {
    const message = { seq, body, confirm: confirm === true, size, epoch: this.epoch }
    this.apply({ _tag: "Received", generation, message, ack })
  }

  private accept(message: Inbound): void {
    this.largeMessages?.parts.delivered()
    this.inbox.push(message)
    const overrun = this.flow.overrun(this.inbox.unprocessedSize)
    if (overrun !== undefined) this.live?.violate(CloseCode.ProtocolViolation, overrun)
  }

  get large(): LargeMessages {
    this.largeMessages ??= new LargeMessages(this, this.hooks, this.options)
    return this.largeMessages
  }

  // ---- acknowledging

  private ackSoon(): void {
    if (this.flow.isAckUrgent(this.state.recorded - this.state.ackSent)) this.sendAck()
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
    // Before what fills the connection again.
    this.largeMessages?.drained()
    this.transmit()
    this.sendAck()
    this.hooks.drained()
  }

  // ---- the application's side

  /** Takes back a message that was never written, where that can be. */
  giveUp(seq: number): void {
    if (this.hooks.withdrawn !== undefined) this.apply({ _tag: "Withdrawn", seq })
  }

  /** The handler of this message succeeded. */
  processed(message: Inbound): void {
    if (message.epoch !== this.epoch) return
    this.inbox.processed(message)
    this.apply({ _tag: "Processed", seq: message.seq })
  }

  /** The store, if there is one, has everything processed up to this one; `now` acknowledges it at once. */
  recorded(upTo: number, now: boolean): void {
    this.hooks.recorded?.(upTo)
    this.apply({ _tag: "Recorded", upTo })
    if (now) this.sendAck()
  }

  // ---- ends

  /** Accepts nothing more, and waits until all that was accepted has been written, or the connection is gone. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.outbox.close()
      return this.live === undefined || this.state.transmitted === this.state.sent ? Effect.void : this.outbox.written
    })
  }

  /** The session is over, or kept for another client: everybody who waits is told. The connection is the caller's business. */
  end(reason: string, isKept = false): void {
    if (this.endReason !== undefined) return
    this.endReason = reason
    this.largeMessages?.ended()
    this.outbox.end(reason, isKept)
    this.apply({ _tag: "End" })
    this.live = undefined
    this.options.pacing?.end()
    this.inbox.close(reason)
    this.outbox.writesNoMore()
  }

  /**
   * Starts a new session in place of a lost one. What had left and was not
   * acknowledged is given up; what had not left goes out in the new session, but for what the server does not take any more.
   */
  startAfresh(reason: string, refused: (error: MessageTooLarge) => void): Abandoned {
    const { acked, highest, window } = this.state
    const reset = () => {
      this.epoch++
      this.largeMessages?.ended()
      this.inbox.unprocessedSize = 0
      this.state = sessionMachine.initial(window)
    }
    const carriedOver = this.outbox.restart(highest, reason, reset, refused)
    return { outcomeUnknown: highest - acked, carriedOver }
  }
}
