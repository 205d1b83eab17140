/**
 * A client's requests about topics on one connection: written in their order, no faster than the server's rates allow,
 * and no more unanswered at a time than it lets wait.
 */

import type { LiveConnection } from "../connection/liveConnection.js"
import { bytesAtOnce, messagesAtOnce } from "../connection/tokenBucket.js"
import { byteLength, type Codec, type Frame } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"
import { type ChunkExchange, type Chunked, chunked, chunkLimit } from "../session/large/chunkExchange.js"
import { isLarger } from "../session/large/pieceCutter.js"
import { type Paced, type Pacer, share } from "../session/pacer.js"

export interface QueuedRequest {
  /** By `nextId`: no other request of the session has it. */
  readonly id: number
  readonly frame: Frame
  /** Of one that is to publish: those to one topic leave in their order, large ones in chunks under this name. */
  readonly publication?: { readonly topic: string; readonly name: string }
  /** Looked at when its turn has come: false when nobody wants it any more. */
  readonly isWanted: () => boolean
  /** It leaves now. */
  readonly written: () => void
}

/** Requests that may be unanswered, and the bytes of their frames; a single one always may. */
interface InFlight {
  readonly requests: number
  readonly bytes: number
}

const inFlightOf = (live: LiveConnection, limits: Protocol.Limits): InFlight => {
  const { byteRate, bytes, messageRate, messages, requests = messages } = limits
  if (live.features.has("request-limits")) return { requests, bytes }
  // There they count as messages, for which no window is kept free: what the network holds up must fit beside the data.
  const rest = (rate: number, burst: (rate: number) => number) => Math.max(1, Math.floor(burst(rate) * (1 - share)))
  return {
    requests: Math.min(messages, messageRate === undefined ? messages : rest(messageRate, messagesAtOnce)),
    bytes: Math.min(bytes, byteRate === undefined ? bytes : rest(byteRate, bytesAtOnce))
  }
}

const none: InFlight = { requests: 0, bytes: 0 }

/** The chunks of the session. */
export interface Chunks {
  readonly codec: Codec
  readonly write: ChunkExchange["write"]
  readonly giveUp: ChunkExchange["giveUp"]
}

/** A request that leaves in chunks. */
interface Leaving {
  readonly request: QueuedRequest
  readonly message: Chunked
}

export class RequestQueue implements Paced {
  private leaving: Leaving | undefined
  private waiting = new Map<number, QueuedRequest>()
  /** Written to this connection and not answered: the bytes of each. */
  private unanswered = new Map<number, number>()
  private bytes = 0
  private live: LiveConnection | undefined
  private lastId = 0
  private most = none
  /** Bytes of the largest frame that is sent whole. */
  private part = Number.POSITIVE_INFINITY

  constructor(
    private readonly pacing: Pacer,
    private readonly chunks: Chunks
  ) {}

  get isAttached(): boolean {
    return this.live !== undefined
  }

  nextId(): number {
    return ++this.lastId
  }

  attached(live: LiveConnection, limits: Protocol.Limits): void {
    this.detached()
    this.live = live
    this.most = inFlightOf(live, limits)
    this.part = chunkLimit(live, limits)
  }

  /** Nothing waits any more: what is still wanted is asked for again on the next connection. */
  detached(): void {
    this.live = undefined
    this.leaving = undefined
    this.waiting = new Map()
    this.unanswered = new Map()
    this.bytes = 0
  }

  add(request: QueuedRequest): void {
    if (this.live === undefined) return
    this.waiting.set(request.id, request)
    this.write()
  }

  /** Takes back a request; false when it has left, or never waited. */
  withdraw(id: number): boolean {
    const { leaving } = this
    if (leaving?.request.id === id) {
      this.leaving = undefined
      this.chunks.giveUp(leaving.message)
      this.write()
      return true
    }
    const isNext = this.next?.id === id
    if (!this.waiting.delete(id)) return false
    if (isNext) {
      // What waits for its turn is another one now, of another size.
      this.pacing.leave(this)
      this.write()
    }
    return true
  }

  /** True when a request with this id was unanswered until now. Its place is taken at the next `write`. */
  answered(id: number): boolean {
    const size = this.unanswered.get(id)
    if (size === undefined) return false
    this.unanswered.delete(id)
    this.bytes -= size
    return true
  }

  /** Writes what the connection and the server's limits take now. */
  write(): void {
    let isMore = true
    while (isMore) isMore = this.writeNext() || this.writeChunk()
  }

  /** The first of those that wait; while one leaves in chunks, of those that it does not hold up. */
  private get next(): QueuedRequest | undefined {
    const { leaving, waiting } = this
    if (leaving === undefined) return waiting.values().next().value
    const held = new Set([leaving.request.publication?.topic])
    for (const request of waiting.values()) {
      const topic = request.publication?.topic
      // One at a time leaves in chunks.
      if (topic === undefined || (!held.has(topic) && !isLarger(request.frame, this.part))) return request
      held.add(topic)
    }
    return undefined
  }

  /** False when nothing can go. */
  private writeNext(): boolean {
    const { live, next } = this
    if (live === undefined || next === undefined || live.isCongested || this.pacing.holds(this)) return false
    const { frame, id, publication } = next
    if (!next.isWanted()) {
      this.waiting.delete(id)
      return true
    }
    const size = byteLength(frame)
    if (!this.fits(size)) return false
    const message =
      publication === undefined ? undefined : chunked(publication.name, frame, this.chunks.codec, this.part)
    if (message === undefined && !this.pacing.take(frame.length, this, "request")) return false
    this.waiting.delete(id)
    if (message !== undefined) {
      this.leaving = { request: next, message }
      return true
    }
    this.left(next, size)
    live.write(frame)
    return true
  }

  private writeChunk(): boolean {
    if (this.leaving === undefined) return false
    const { message, request } = this.leaving
    const progress = this.chunks.write(message)
    if (progress === "Whole") {
      this.leaving = undefined
      this.left(request, message.size)
    }
    return progress !== "Waits"
  }

  private left({ id, written }: QueuedRequest, size: number): void {
    this.unanswered.set(id, size)
    this.bytes += size
    written()
  }

  /** The server's rates allow the next one. */
  paced(): void {
    this.write()
  }

  private fits(size: number): boolean {
    if (this.unanswered.size === 0) return true
    return this.unanswered.size < this.most.requests && this.bytes + size <= this.most.bytes
  }
}
