/**
 * Two linked transports in memory, and the faults of the wire between them.
 *
 * @since 0.1.0
 */
import { CloseCode } from "../CloseCode.js"
import { byteLength, type Frame } from "../Codec.js"
import type { CloseEvent, Receiver, Transport } from "../Transport.js"

/**
 * One of the two ends.
 *
 * @since 0.1.0
 * @category models
 */
export type Side = "client" | "server"

/**
 * @since 0.1.0
 * @category models
 */
export interface LinkOptions {
  /** The negotiated subprotocol. Default `""`. */
  readonly protocol?: string | undefined
  /** Bytes that the wire holds for a reader that has paused. Default 64 KiB. */
  readonly capacity?: number | undefined
  /** Largest message that an end accepts, in bytes; a larger one closes it with 1009. Default none. */
  readonly maxFrame?: Partial<Record<Side, number>> | undefined
  /** Whether the client can ping; a browser cannot. Default true. */
  readonly clientPings?: boolean | undefined
  /** The client, as the server sees it. Default `memory:client`. */
  readonly remoteAddress?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly client: Transport
  readonly server: Transport
  readonly isOpen: () => boolean
  /** Breaks the connection: both ends hear of it. */
  readonly cut: () => void
  /** What this side sends is lost from now on, and nobody hears of it: a half-open connection. Default both sides. */
  readonly silence: (side?: Side) => void
  /** What this side sends waits in its own buffers from now on: a peer that does not read. */
  readonly stall: (side: Side) => void
  /** The end of a stall. */
  readonly release: (side: Side) => void
  /** Pings that this side has sent. */
  readonly pings: (side: Side) => number
}

type Packet =
  | { readonly type: "message"; readonly frame: Frame; readonly size: number }
  | { readonly type: "ping" | "pong"; readonly payload: Uint8Array; readonly size: number }
  | { readonly type: "close"; readonly code: number; readonly reason: string; readonly size: number }

const lost: CloseEvent = { code: CloseCode.Abnormal, reason: "", clean: false }

class End implements Transport {
  peer: End | undefined
  pingCount = 0
  silent = false

  private receiver: Receiver | undefined
  /** What has arrived and was not handed over. */
  private arrived: Array<Packet> = []
  private arrivedBytes = 0
  /** What waits on this side, because the wire does not take it. */
  private waiting: Array<Packet> = []
  private waitingBytes = 0
  private acceptedBytes = 0
  private stalled = false
  private wasCongested = false
  private paused = false
  private scheduled = false
  private closeSent = false
  private end: CloseEvent | undefined
  private told = false

  readonly ping: Transport["ping"]

  constructor(
    readonly remoteAddress: string,
    readonly protocol: string,
    private readonly capacity: number,
    private readonly maxFrame: number,
    canPing: boolean
  ) {
    this.ping = canPing ? (payload) => this.beat(payload) : undefined
  }

  get isOpen(): boolean {
    return this.end === undefined
  }

  run(receiver: Receiver): void {
    this.receiver = receiver
    this.schedule()
  }

  // ---- writing

  send(frame: Frame): void {
    this.write({ type: "message", frame, size: byteLength(frame) })
  }

  private beat(payload: Uint8Array): void {
    this.pingCount++
    this.write({ type: "ping", payload, size: payload.byteLength })
  }

  pong(payload: Uint8Array): void {
    this.write({ type: "pong", payload, size: payload.byteLength })
  }

  close(code: number, reason: string): void {
    this.write({ type: "close", code, reason, size: reason.length + 2 })
    this.closeSent = true
    // A closing end reads on, or the answer would never be seen.
    this.resume()
  }

  private write(packet: Packet): void {
    if (this.end !== undefined || this.closeSent) return
    this.acceptedBytes += packet.size
    this.waiting.push(packet)
    this.waitingBytes += packet.size
    this.flush()
    if (this.waitingBytes === 0) return
    this.wasCongested = true
    this.schedule()
  }

  /** Moves to the peer what the wire takes. */
  flush(): void {
    const { peer } = this
    if (peer === undefined) return
    while (!this.stalled && (this.silent || peer.arrivedBytes < this.capacity)) {
      const packet = this.waiting.shift()
      if (packet === undefined) break
      this.waitingBytes -= packet.size
      if (!this.silent && peer.isOpen) peer.arrive(packet)
    }
    if (this.wasCongested && this.waitingBytes === 0) this.schedule()
  }

  /** Tells the writer how the wire takes what it wrote. */
  private tellBacklog(receiver: Receiver): void {
    if (this.end !== undefined) return
    if (this.waitingBytes > 0) {
      receiver.congested()
    } else if (this.wasCongested) {
      this.wasCongested = false
      receiver.drained()
    }
  }

  setStalled(stalled: boolean): void {
    this.stalled = stalled
    this.flush()
  }

  buffered(): number {
    return this.waitingBytes
  }

  accepted(): number {
    return this.acceptedBytes
  }

  // ---- reading

  private arrive(packet: Packet): void {
    this.arrived.push(packet)
    this.arrivedBytes += packet.size
    this.schedule()
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.schedule()
  }

  /** Never from within a call into the transport, as on a real socket. */
  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.handOver()
    })
  }

  private handOver(): void {
    const { receiver } = this
    if (receiver === undefined) return
    while (!this.paused && this.end === undefined) {
      const packet = this.arrived.shift()
      if (packet === undefined) break
      this.arrivedBytes -= packet.size
      this.receive(receiver, packet)
    }
    this.peer?.flush()
    this.tellBacklog(receiver)
    if (this.end !== undefined && !this.told) {
      this.told = true
      receiver.closed(this.end)
    }
  }

  private receive(receiver: Receiver, packet: Packet): void {
    switch (packet.type) {
      case "message":
        if (packet.size > this.maxFrame) {
          const reason = "Max payload size exceeded"
          this.close(CloseCode.MessageTooBig, reason)
          return this.finish({ code: CloseCode.MessageTooBig, reason, clean: false, violation: true })
        }
        return receiver.message(packet.frame)
      case "ping":
        return receiver.ping(packet.payload)
      case "pong":
        return receiver.pong(packet.payload)
      case "close":
        if (!this.closeSent) this.close(packet.code, "")
        return this.finish({ code: packet.code, reason: packet.reason, clean: true })
    }
  }

  destroy(): void {
    if (this.end !== undefined) return
    const { peer, silent } = this
    this.finish(lost)
    if (!silent) peer?.finishAfterArrived()
  }

  /** The peer is gone: what it had sent still arrives. */
  private finishAfterArrived(): void {
    const hand = () => {
      if (this.arrived.length === 0 || this.receiver === undefined) this.finish(lost)
      else if (this.end === undefined) queueMicrotask(hand)
    }
    if (this.paused) this.finish(lost)
    else queueMicrotask(hand)
  }

  finish(event: CloseEvent): void {
    if (this.end !== undefined) return
    this.end = event
    this.waiting = []
    this.waitingBytes = 0
    this.schedule()
  }
}

/**
 * Links two transports. Frames arrive in order, in a later microtask.
 *
 * @since 0.1.0
 * @category constructors
 */
export const link = (options?: LinkOptions): Link => {
  const protocol = options?.protocol ?? ""
  const capacity = options?.capacity ?? 64 * 1024
  const limit = (side: Side) => options?.maxFrame?.[side] ?? Number.POSITIVE_INFINITY
  const client = new End("memory:server", protocol, capacity, limit("client"), options?.clientPings ?? true)
  const server = new End(options?.remoteAddress ?? "memory:client", protocol, capacity, limit("server"), true)
  client.peer = server
  server.peer = client
  const ends = { client, server }
  return {
    client,
    server,
    isOpen: () => client.isOpen && server.isOpen,
    cut: () => {
      client.finish(lost)
      server.finish(lost)
    },
    silence: (side) => {
      if (side !== "server") client.silent = true
      if (side !== "client") server.silent = true
    },
    stall: (side) => ends[side].setStalled(true),
    release: (side) => ends[side].setStalled(false),
    pings: (side) => ends[side].pingCount
  }
}
