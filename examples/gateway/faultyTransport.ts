/** A transport whose way to the peer can be silenced, slowed or cut, with the contracts of the one below. */
import { Effect } from "effect"
import { Codec, type Transport } from "holdfast"
import { type Mode, open, type Surroundings, Way } from "./way.js"

/** What a silenced peer may have on its way to us before it is pushed back, in bytes; a frame counts for 64 at least. */
const heldInbound = 1024 * 1024

export class FaultyTransport implements Transport.Transport {
  readonly ping: Transport.Transport["ping"]
  readonly pong: Transport.Transport["pong"]
  private readonly inbound: Way
  private readonly outbound: Way
  mode: Mode = open
  private receiver: Transport.Receiver | undefined
  private isPaused = false
  private isReading = true
  private end: "open" | "closed" | "told" = "open"

  constructor(
    private readonly inner: Transport.Transport,
    private readonly surroundings: Surroundings,
    /** The receiver has been told that it has closed. */
    private readonly gone: (transport: FaultyTransport) => void
  ) {
    this.inbound = new Way(surroundings, () => this.read())
    this.outbound = new Way(surroundings, () => {
      if (this.outbound.isEmpty && this.end === "open" && inner.buffered() === 0) this.receiver?.drained()
    })
    const { ping, pong } = inner
    this.ping = ping && ((payload) => this.outbound.put(payload.byteLength, () => inner.ping?.(payload)))
    this.pong = pong && ((payload) => this.outbound.put(payload.byteLength, () => inner.pong?.(payload)))
  }

  become(mode: Mode): void {
    if (this.end === "told") return
    this.mode = mode
    this.inbound.become(mode)
    this.outbound.become(mode)
  }

  // ---- reading

  run(receiver: Transport.Receiver): void {
    this.receiver = receiver
    this.inner.run({
      message: (frame) => this.arrived(Codec.byteLength(frame), () => receiver.message(frame)),
      ping: (payload) => this.arrived(payload.byteLength, () => receiver.ping(payload)),
      pong: (payload) => this.arrived(payload.byteLength, () => receiver.pong(payload)),
      congested: () => receiver.congested(),
      drained: () => {
        if (this.outbound.isEmpty) receiver.drained()
      },
      closed: (event) => {
        this.end = "closed"
        // The end, too, is heard of in its turn: a half-open connection is one whose end is not.
        this.inbound.put(0, () => this.tell(receiver, event))
      }
    })
  }

  private arrived(size: number, pass: () => void): void {
    this.inbound.put(Math.max(64, size), pass)
    this.read()
  }

  private read(): void {
    if (this.end !== "open") return
    const shouldRead = !this.isPaused && this.inbound.bytes < heldInbound
    if (shouldRead === this.isReading) return
    this.isReading = shouldRead
    if (shouldRead) this.inner.resume()
    else this.inner.pause()
  }

  private tell(receiver: Transport.Receiver, event: Transport.CloseEvent): void {
    if (this.end === "told") return
    this.end = "told"
    this.inbound.clear()
    this.outbound.clear()
    this.gone(this)
    receiver.closed(event)
  }

  pause(): void {
    this.isPaused = true
    this.inbound.pause()
    this.read()
  }

  resume(): void {
    this.isPaused = false
    this.inbound.resume()
    this.read()
  }

  // ---- writing

  get protocol(): string {
    return this.inner.protocol
  }

  get remoteAddress(): string {
    return this.inner.remoteAddress
  }

  send(frame: Codec.Frame): void {
    this.outbound.put(Codec.byteLength(frame), () => this.inner.send(frame))
  }

  /** What is held counts, or a silence would be a buffer without a bound. */
  buffered(): number {
    return this.inner.buffered() + this.outbound.bytes
  }

  accepted(): number {
    return this.inner.accepted() + this.outbound.bytes
  }

  // ---- ends

  close(code: number, reason: string): void {
    this.outbound.put(0, () => this.inner.close(code, reason))
  }

  destroy(): void {
    if (this.end === "told") return
    this.outbound.clear()
    this.inbound.clear()
    this.inner.destroy()
    // The transport below has told already, and what it said was held back.
    const { receiver } = this
    if (this.end === "closed" && receiver !== undefined) {
      this.surroundings.fork(Effect.sync(() => this.tell(receiver, { code: 1006, reason: "", clean: false })))
    }
  }
}
