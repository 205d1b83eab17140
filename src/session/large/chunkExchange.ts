/**
 * The large messages of a connection that have no number: publications, and the requests to publish. They travel in chunks of
 * their frames, one message at a time, under a name that is theirs on every connection: what one connection has brought is not sent again
 * on the next.
 */
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Codec, envelopeBytes, type Frame } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { DriverOptions } from "../driverOptions.js"
import type { FlowControl } from "../flowControl.js"
import type { Paced } from "../pacer.js"
import { flawOf, type Holder, leastLimit, PartReceiver } from "./partReceiver.js"
import type { Way } from "./partWindow.js"
import { isLarger, PieceCutter } from "./pieceCutter.js"

/** The session whose connection it is. */
export interface Chunking {
  readonly live: LiveConnection | undefined
  readonly flow: FlowControl
}

/** A chunk that was framed, and the byte that follows it. */
interface Cut {
  readonly frame: Frame
  readonly until: number
}

/** A message that travels in chunks. The largest are cut once for all to whom it is sent. */
export class Chunked {
  readonly size: number
  private readonly cutter = new PieceCutter()
  private readonly largest = new Map<number, Cut>()

  constructor(
    /** The same on every connection, and no other message's. */
    readonly name: string,
    private readonly message: Frame,
    private readonly codec: Codec,
    private readonly part: number
  ) {
    this.size = byteLength(message)
  }

  /** The chunk that begins at this byte; undefined in the middle of a character. */
  cut(at: number, most: number): Cut | undefined {
    const known = most === this.part ? this.largest.get(at) : undefined
    if (known !== undefined) return known
    const piece = this.cutter.cut(this.message, at, most)
    if (piece === undefined) return undefined
    const frame = this.codec.chunk({ name: this.name, at, of: this.size }, piece.piece)
    const cut = { frame, until: piece.until }
    if (most === this.part) this.largest.set(at, cut)
    return cut
  }

  fromBeginning(most: number): Cut {
    return this.cut(0, most) as Cut // the first character has room in any chunk
  }
}

/** Bytes of the largest chunk on this connection: a message that has no more is sent whole. */
export const chunkLimit = (live: LiveConnection, { part = 0 }: Protocol.Limits): number =>
  part >= leastLimit && live.features.has("chunks") ? part : Number.POSITIVE_INFINITY

/** The message in chunks, if it has to travel so. */
export const chunked = (name: string, message: Frame, codec: Codec, part: number): Chunked | undefined =>
  isLarger(message, part) ? new Chunked(name, message, codec, part) : undefined

/** What became of the attempt to send more of a message. */
export type Progress = "Waits" | "Partly" | "Whole"

interface Leaving {
  readonly message: Chunked
  readonly at: number
}

interface Coming {
  readonly name: string
  readonly of: number
  readonly bytes: number
}

type Options = Pick<DriverOptions, "codec" | "largestBody" | "pacing" | "unfinished">

export class ChunkExchange implements Holder, Paced {
  private leaving: Leaving | undefined
  /** What the peer said that it has, when this connection began. */
  private peerHas: Protocol.Unfinished | undefined
  private coming: Coming | undefined
  /** The message that left last, and how much of it the peer has; undefined once that is all. */
  outgoing: Coming | undefined
  private readonly receiver: PartReceiver
  private owed: Coming | undefined

  constructor(
    private readonly session: Chunking,
    private readonly way: Way,
    private readonly options: Options
  ) {
    this.receiver = new PartReceiver(this, options.unfinished)
  }

  // ---- its connections

  attached(peerHas: Protocol.Unfinished | undefined): void {
    // Another connection may have acted for the session until now.
    this.leaving = undefined
    this.owed = undefined
    this.peerHas = peerHas
    this.options.unfinished?.isBack(this)
  }

  detached(): void {
    this.leaving = undefined
    this.owed = undefined
    this.options.unfinished?.left(this)
  }

  drained(): void {
    if (this.owed !== undefined) this.answer(this.owed)
  }

  ended(): void {
    this.detached()
    this.outgoing = undefined
    this.dropParts()
  }

  /** What is here of a message that is not whole. */
  get unfinished(): Protocol.Unfinished | undefined {
    return this.coming
  }

  // ---- out

  /** Writes the next chunk of a message, where the connection and the window take it, and no other message is under way. */
  write(message: Chunked): Progress {
    const { live } = this.session
    const { window } = this.way
    const { pacing } = this.options
    if (live === undefined || live.isCongested || !window.hasRoom || pacing?.holds(this) === true) return "Waits"
    if (this.leaving !== undefined && this.leaving.message !== message) return "Waits"
    const at = this.leaving?.at ?? this.heldOf(message)
    const { frame, until } = message.cut(at, window.size) ?? message.fromBeginning(window.size)
    if (pacing?.take(frame.length, this, until === message.size ? "request" : "part") === false) return "Waits"
    const { name, size } = message
    window.wrote(until - at, (answer) => answer.name === name && answer.bytes >= until)
    live.write(frame)
    if (this.leaving === undefined) this.outgoing = { name, of: size, bytes: at }
    this.peerHas = undefined
    const isWhole = until === size
    this.leaving = isWhole ? undefined : { message, at: until }
    return isWhole ? "Whole" : "Partly"
  }

  /** The bytes of a message's beginning that the peer has already. */
  private heldOf({ name, size }: Chunked): number {
    const has = this.peerHas
    return has?.name === name && has.of === size ? has.bytes : 0
  }

  /** The peer has received this. */
  answered({ bytes, name }: Protocol.ChunkReceived): void {
    if (this.outgoing?.name !== name) return
    this.outgoing = bytes < this.outgoing.of ? { ...this.outgoing, bytes } : undefined
  }

  /** The rest of it is not wanted any more. */
  giveUp(message: Chunked): void {
    if (this.leaving?.message !== message) return
    // It may go on where it was, if no other is begun before.
    this.peerHas = { name: message.name, of: message.size, bytes: this.leaving.at }
    this.leaving = undefined
    this.outgoing = undefined
    this.options.pacing?.leave(this)
    this.way.chunksMayGo()
  }

  paced(): void {
    this.way.chunksMayGo()
  }

  // ---- in

  came({ at, name, of, piece }: Protocol.Chunk, live: LiveConnection): void {
    const until = at + byteLength(piece)
    const { largestBody } = this.options
    const part = live.features.has("chunks") ? this.session.flow.limits.part : undefined
    const largest = { part, body: largestBody + envelopeBytes }
    const flaw = flawOf({ at, until, of }, largest)
    if (flaw !== undefined) return live.violate(flaw.code, flaw.reason)
    const { coming } = this
    const follows = at === 0 || (coming?.name === name && coming.of === of && coming.bytes === at)
    if (!follows) return live.violate(CloseCode.ProtocolViolation, `a chunk from byte ${at} on, which does not follow`)
    if (until > of) return live.violate(CloseCode.ProtocolViolation, "a chunk that goes beyond its message")
    if (!this.receiver.keep({ at, piece, until })) return this.giveWay()
    this.coming = { name, of, bytes: until }
    this.answer(this.coming)
    if (until < of) return
    const frame = this.receiver.joined()
    this.coming = undefined
    this.way.cameWhole(frame, live)
  }

  /** While the connection is congested, the end of that brings it. */
  private answer({ bytes, name, of }: Coming): void {
    const { live } = this.session
    if (live === undefined || live.end !== undefined) return
    this.owed = live.isCongested ? { name, of, bytes } : undefined
    if (this.owed === undefined) live.write(this.options.codec.encode({ type: "chunk-received", name, bytes }))
  }

  private dropParts(): void {
    this.receiver.drop()
    this.coming = undefined
  }

  giveWay(): void {
    this.dropParts()
    this.way.refuse()
  }
}
