/** One end of a link in memory. */

import type { CloseEvent, Receiver, Transport } from "../../connection/Transport.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import { type Surroundings, Wire } from "./wire.js"

export type Packet =
  /** The rest of a message, or all of it; `whole` is the size of all. */
  | { readonly type: "message"; readonly frame: Frame; readonly size: number; readonly whole: number }
  /** A part of the bytes of a message, which is not whole yet. */
  | { readonly type: "partial"; readonly size: number; readonly whole: number }
  | { readonly type: "ping" | "pong"; readonly payload: Uint8Array; readonly size: number }
  | { readonly type: "close"; readonly code: number; readonly reason: string; readonly size: number }
  /** The other end is gone without a word. */
  | { readonly type: "gone"; readonly size: 0 }

/** A larger message travels in pieces, so that a slow wire carries some of its bytes before the others. */
const piece = 16 * 1024

const lost: CloseEvent = { code: CloseCode.Abnormal, reason: "", clean: false }

export class End implements Transport {
  peer: End | undefined
  pingCount = 0
  /** The wire that carries to the peer what this side sends. */
  readonly wire: Wire<Packet>

  private receiver: Receiver | undefined
  /** Frames that have arrived and were not handed over. */
  private arrived: Array<Packet> = []
  private arrivedBytes = 0
  /** Frames that wait on this side, because the wire does not take it. */
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
  /** Its machine stopped dead: nothing is heard of it, until a machine in its place knows nothing of the connection. */
  private crashed: "unnoticed" | "answered with a reset" | undefined

  readonly ping: Transport["ping"]

  constructor(
    readonly remoteAddress: string,
    readonly protocol: string,
    private readonly capacity: number,
    private maxFrame: number,
    canPing: boolean,
    surroundings: Surroundings | undefined
  ) {
    this.ping = canPing ? (payload) => this.beat(payload) : undefined
    this.wire = new Wire(surroundings, (packet) => this.peer?.arrive(packet))
  }

  get isOpen(): boolean {
    return this.end === undefined
  }

  get isCrashed(): boolean {
    return this.crashed !== undefined
  }

  run(receiver: Receiver): void {
    this.receiver = receiver
    this.schedule()
  }

  limit(maxFrame: number): void {
    this.maxFrame = maxFrame
  }

  // ---- writing

  send(frame: Frame): void {
    const whole = byteLength(frame)
    const pieces = Math.max(0, Math.ceil(whole / piece) - 1)
    for (let i = 0; i < pieces; i++) this.write({ type: "partial", size: piece, whole })
    this.write({ type: "message", frame, size: whole - pieces * piece, whole })
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
    if (this.end !== undefined || this.closeSent || this.crashed !== undefined) return
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
    const { peer, waitingBytes } = this
    if (peer === undefined) return
    while (!this.stalled && this.wire.bytes + peer.arrivedBytes < this.capacity) {
      const packet = this.waiting.shift()
      if (packet === undefined) break
      this.waitingBytes -= packet.size
      this.wire.push(packet, packet.size)
    }
    // Who is gone need not hear of it: two such ends would schedule each other for ever.
    const isThere = this.end === undefined && this.crashed === undefined
    if (this.wasCongested && this.waitingBytes < waitingBytes && isThere) this.schedule()
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
    // A reset is not answered with another.
    if (this.crashed === "answered with a reset" && packet.type !== "gone") this.wire.push({ type: "gone", size: 0 }, 0)
    if (this.end !== undefined || this.crashed !== undefined) return
    if (packet.type === "gone") return this.finishAfterArrived()
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
      case "partial":
        if (packet.whole > this.maxFrame) {
          const reason = "Max payload size exceeded"
          this.close(CloseCode.MessageTooBig, reason)
          return this.finish({ code: CloseCode.MessageTooBig, reason, clean: false, violation: true })
        }
        return packet.type === "message" ? receiver.message(packet.frame) : receiver.partial?.(packet.whole)
      case "ping":
        return receiver.ping(packet.payload)
      case "pong":
        return receiver.pong(packet.payload)
      case "close":
        if (!this.closeSent) this.close(packet.code, "")
        return this.finish({ code: packet.code, reason: packet.reason, clean: true })
      case "gone":
        return this.finish(lost)
    }
  }

  destroy(): void {
    if (this.end !== undefined) return
    this.finish(lost)
    if (this.crashed === undefined) this.wire.push({ type: "gone", size: 0 }, 0)
  }

  /** The machine stops dead: this end hears and says nothing any more. The peer is told by the network, or nobody tells it. */
  crash(isTold: boolean): void {
    const isKnown = this.crashed === undefined
    if (isKnown && this.end !== undefined) return
    this.crashed = "unnoticed"
    this.wire.sever()
    this.waiting = []
    this.waitingBytes = 0
    this.arrived = []
    if (isTold && isKnown) this.wire.push({ type: "gone", size: 0 }, 0)
    // Nobody acknowledges what arrives: it is sent again and again, and the wire takes no more than it holds.
    else this.peer?.wire.hold("crash")
  }

  /** A machine stands in the place of the one that crashed, and knows nothing of the connection. */
  forget(): void {
    if (this.crashed === undefined) return
    this.crashed = "answered with a reset"
    this.peer?.wire.letGo("crash")
  }

  /** The peer is gone: what it had sent still arrives. */
  private finishAfterArrived(): void {
    const hand = () => {
      if (this.arrived.length === 0 || this.receiver === undefined || this.paused) this.finish(lost)
      else if (this.end === undefined) queueMicrotask(hand)
    }
    if (this.paused) this.finish(lost)
    else queueMicrotask(hand)
  }

  /** Breaks: nothing more leaves, not even what is on its way. */
  break(): void {
    this.wire.sever()
    this.finish(lost)
  }

  private finish(event: CloseEvent): void {
    if (this.end !== undefined) return
    this.end = event
    this.waiting = []
    this.waitingBytes = 0
    this.schedule()
  }
}
