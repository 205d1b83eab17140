/** The large messages of a session, either way: those that are numbered in parts, the others in chunks, all on one way. */
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Frame, Malformed } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import * as bodyLimit from "../bodyLimit.js"
import type { DriverOptions, Hooks } from "../driverOptions.js"
import { ChunkExchange, type Chunking } from "./chunkExchange.js"
import { type Exchanging, PartExchange } from "./partExchange.js"
import { PartWindow, type Way } from "./partWindow.js"

/** The session whose messages they are. */
export interface WithLarge extends Exchanging, Chunking {
  /** Writes what can be written of its numbered messages. */
  readonly transmit: () => void
}

/** The messages of which large ones are made, and their answers. */
export type PartMessage = Extract<Protocol.Message, { type: "part" | "received" | "chunk" | "chunk-received" }>

/** Milliseconds until one should come back for whose parts there is no room. */
const retryAfter = 1000

const noRoom = "too many bytes of unfinished messages are held here"

export class LargeMessages implements Way {
  readonly parts: PartExchange
  readonly chunks: ChunkExchange
  private current: PartWindow | undefined
  private isChunksTurn = false

  constructor(
    private readonly session: WithLarge,
    private readonly hooks: Hooks,
    private readonly options: DriverOptions
  ) {
    this.parts = new PartExchange(session, this, options)
    this.chunks = new ChunkExchange(session, this, options)
  }

  attached(chunk: Protocol.Unfinished | undefined): void {
    this.current?.restart()
    this.parts.attached()
    this.chunks.attached(chunk)
  }

  detached(): void {
    this.parts.detached()
    this.chunks.detached()
  }

  drained(): void {
    this.parts.drained()
    this.chunks.drained()
  }

  /** The session is over, or another one takes its place. */
  ended(): void {
    this.parts.ended()
    this.chunks.ended()
    this.current = undefined
  }

  /** True for an answer to something that is on its way. */
  isAnswer(message: Protocol.Message | Malformed): boolean {
    const isOne = message.type === "received" || message.type === "chunk-received"
    return isOne && this.current !== undefined && this.current.answers(message) > 0
  }

  receive(message: PartMessage, live: LiveConnection, generation: number): void {
    switch (message.type) {
      case "part":
        return this.parts.came(message, live, generation)
      case "chunk":
        return this.chunks.came(message, live)
      case "received":
        if (this.parts.answered(message, live)) this.answered(message)
        return
      case "chunk-received":
        this.chunks.answered(message)
        return this.answered(message)
    }
  }

  private answered(message: Protocol.Received | Protocol.ChunkReceived): void {
    this.current?.answered(message)
    // The two kinds go first in turn.
    this.isChunksTurn = !this.isChunksTurn
    if (this.isChunksTurn) this.chunksMayGo()
    this.session.transmit()
    if (!this.isChunksTurn) this.chunksMayGo()
  }

  // ---- the way

  get window(): PartWindow {
    const { part = Number.POSITIVE_INFINITY } = this.session.flow.limits
    if (this.current?.largest !== part) this.current = new PartWindow(part, this.options.now)
    return this.current
  }

  chunksMayGo(): void {
    this.hooks.drained()
  }

  cameWhole(frame: Frame, live: LiveConnection): void {
    const { codec, largestBody } = this.options
    const message = bodyLimit.obeyed(codec.decode(frame), codec, frame, largestBody)
    if (message.type === "malformed") return live.violate(message.code, message.reason)
    if (message.type === "publish" || message.type === "publication")
      return this.hooks.control(message, live, frame.length)
    live.violate(CloseCode.ProtocolViolation, `${message.type} in chunks`)
  }

  refuse(): void {
    const { live } = this.session
    live?.write(this.options.codec.encode({ type: "goaway", retryAfter, reason: noRoom }))
    live?.violate(CloseCode.TooManyRequests, noRoom)
  }
}
