/**
 * The large `data` messages of a session, in parts, either way: what is written of one, what is answered, and what is here of one that is
 * not whole. It outlives the connections: parts that arrived are not sent again.
 */
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Frame } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { DriverOptions } from "../driverOptions.js"
import type { FlowControl } from "../flowControl.js"
import type { Paced } from "../pacer.js"
import type { Entry } from "../replayBuffer.js"
import type * as sessionMachine from "../sessionMachine.js"
import { flawOf, type Holder, leastLimit, PartReceiver, type Piece, pieceOf } from "./partReceiver.js"
import type { Answer, Way } from "./partWindow.js"
import { PieceCutter } from "./pieceCutter.js"

/** The session whose messages they are. */
export interface Exchanging extends Paced {
  readonly state: sessionMachine.State
  readonly live: LiveConnection | undefined
  readonly flow: FlowControl
  readonly apply: (event: sessionMachine.Event<never, Piece>) => void
  /** A message came whole, in a frame of this size. */
  readonly received: (message: Protocol.Data, generation: number, size: number) => void
}

const isBefore = (one: Protocol.Reception, other: Protocol.Reception): boolean =>
  one.seq < other.seq || (one.seq === other.seq && one.bytes < other.bytes)

/** True for a message that leaves in parts on this connection. */
export const isInParts = ({ size }: Entry, live: LiveConnection, { limits: { part = 0 } }: FlowControl): boolean =>
  part >= leastLimit && size > part && live.features.has("parts")

type Options = Pick<DriverOptions, "codec" | "largestBody" | "pacing" | "unfinished">

const isReception = (answer: Answer): answer is Protocol.Reception => answer.seq !== undefined

export class PartExchange implements Holder {
  private readonly cutter = new PieceCutter()
  private readonly receiver: PartReceiver
  private owesAnswer = false
  /** The message that leaves in parts, or left last. */
  private leaving: sessionMachine.Unfinished | undefined

  constructor(
    private readonly session: Exchanging,
    private readonly way: Way,
    private readonly options: Options
  ) {
    this.receiver = new PartReceiver(this, options.unfinished)
  }

  // ---- its connections

  attached(): void {
    const { partOut: received } = this.session.state
    this.leaving = received === 0 || this.leaving === undefined ? undefined : { ...this.leaving, received }
    this.owesAnswer = false
    this.options.unfinished?.isBack(this)
  }

  detached(): void {
    this.options.unfinished?.left(this)
  }

  /** A message has come: parts of it that came before it came whole are not needed. */
  delivered(): void {
    this.receiver.drop()
  }

  drained(): void {
    if (this.owesAnswer) this.answer()
  }

  /** The session is over, or another one takes its place. */
  ended(): void {
    this.receiver.drop()
    this.leaving = undefined
  }

  // ---- out

  /** Writes the next part of a message; false when it has to wait. */
  write(live: LiveConnection, { confirm, payload, seq, size: of }: Entry): boolean {
    const { codec, pacing } = this.options
    const { window } = this.way
    if (!window.hasRoom) return false
    const { partOut: at, recorded: ack } = this.session.state
    const cut = this.cutter.cut(payload, at, window.size)
    if (cut === undefined) {
      live.violate(CloseCode.ProtocolViolation, `received ${at} bytes of message ${seq}, which cannot be`)
      return false
    }
    const { piece, until } = cut
    const frame = codec.part({ seq, ack, confirm, at, of }, piece)
    const isLast = until === of
    if (pacing?.take(frame.length, this.session, isLast ? "message" : "part") === false) return false
    live.write(frame)
    if (this.leaving?.seq !== seq) this.leaving = { seq, received: at, size: of }
    const asked = isLast ? { seq, bytes: 0 } : { seq: seq - 1, bytes: until }
    window.wrote(until - at, (answer) => isReception(answer) && !isBefore(answer, asked))
    this.session.apply(isLast ? { _tag: "Transmitted", seq, ack } : { _tag: "PartTransmitted", seq, until, ack })
    return true
  }

  /** The peer has received this; false where that cannot be. */
  answered(has: Protocol.Reception, live: LiveConnection): boolean {
    const { partOut, transmitted } = this.session.state
    if (has.seq > transmitted || (has.seq === transmitted && has.bytes > partOut)) {
      const reason = `received message ${has.seq} and ${has.bytes} bytes more, which were not sent`
      live.violate(CloseCode.ProtocolViolation, reason)
      return false
    }
    if (has.seq + 1 === this.leaving?.seq) this.leaving = { ...this.leaving, received: has.bytes }
    else if (has.seq === this.leaving?.seq) this.leaving = undefined
    return true
  }

  /** The message that leaves in parts, if one does. */
  get sending(): sessionMachine.Unfinished | undefined {
    const { leaving, session } = this
    return leaving !== undefined && leaving.seq > session.state.acked ? leaving : undefined
  }

  // ---- in

  /** The message that comes in parts, if one does. */
  get receiving(): sessionMachine.Unfinished | undefined {
    const { partIn: received, partSize: size, received: seq } = this.session.state
    return received === 0 ? undefined : { seq: seq + 1, received, size }
  }

  came(message: Protocol.Part, live: LiveConnection, generation: number): void {
    const part = pieceOf(message)
    const { limits } = this.session.flow
    const largest = { part: live.features.has("parts") ? limits.part : undefined, body: this.options.largestBody }
    const flaw = flawOf(part, largest)
    if (flaw !== undefined) return live.violate(flaw.code, flaw.reason)
    this.session.apply({ _tag: "PartReceived", generation, part, ack: part.ack })
    this.answer()
  }

  /** Keeps a part, if there is room for it; with the last one the message has come. */
  take({ _tag, part }: Extract<sessionMachine.Effect<never, Piece>, { readonly part: Piece }>): void {
    const { codec } = this.options
    if (!this.receiver.keep(part)) this.giveWay()
    else if (_tag === "Complete") {
      const { ack, confirm, seq } = part
      this.completed(codec.data(seq, ack, confirm, this.receiver.joined()))
    }
  }

  /** A message is here as this `data` frame would have brought it. */
  private completed(frame: Frame): void {
    const { live, state } = this.session
    const message = this.options.codec.decode(frame)
    if (message.type === "data") return this.session.received(message, state.generation, frame.length)
    this.dropParts()
    if (message.type === "malformed") live?.violate(message.code, message.reason)
    else live?.violate(CloseCode.ProtocolViolation, "parts that are no body")
  }

  /** While the connection is congested, the end of that brings it. */
  private answer(): void {
    const { live, state } = this.session
    if (live === undefined || live.end !== undefined) return
    this.owesAnswer = live.isCongested
    if (this.owesAnswer) return
    live.write(this.options.codec.encode({ type: "received", seq: state.received, bytes: state.partIn }))
  }

  private dropParts(): void {
    this.receiver.drop()
    this.session.apply({ _tag: "PartDropped" })
  }

  giveWay(): void {
    this.dropParts()
    this.way.refuse()
  }
}
