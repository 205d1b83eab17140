/**
 * The way out of a connection: whether what is written waits in memory, and who waits until it does not. Two high-water marks:
 * that of the messages, and a lower one of pongs, which a peer that pings and does not read would have without end.
 */
import * as Effect from "effect/Effect"
import type { Transport } from "../Transport.js"

/** Bytes above which of all pongs the latest alone waits, until something has left since the one before. */
const pongLimit = 64 * 1024

export class Backpressure {
  /** Somebody goes on when nothing waits any more. */
  private isDrainAwaited = false
  private pendingPong: Uint8Array | undefined
  /** Bytes that had left when the last pong was written that had others before it. */
  private goneAtPong = -1
  /** Made when somebody waits, and opened once. */
  private latch: Effect.Latch | undefined

  constructor(
    private readonly transport: Transport,
    private readonly highWaterMark: number
  ) {}

  /** True when a write would wait; one who is told so is told when nothing waits any more. */
  get isCongested(): boolean {
    if (this.transport.buffered() <= this.highWaterMark) return false
    this.isDrainAwaited = true
    return true
  }

  /** Answers a ping. RFC 6455 §5.5.3: of several, only the most recent needs an answer. */
  pong(payload: Uint8Array): void {
    if (this.transport.buffered() <= pongLimit) return this.writePong(payload)
    const { gone } = this
    if (gone > this.goneAtPong) {
      this.goneAtPong = gone
      this.writePong(payload)
    } else {
      this.pendingPong = payload
      this.isDrainAwaited = true
    }
  }

  private writePong(payload: Uint8Array): void {
    this.pendingPong = undefined
    this.transport.pong?.(payload)
  }

  /** Bytes that have left. */
  get gone(): number {
    return this.transport.accepted() - this.transport.buffered()
  }

  /** Something waits, and more may have left: a peer that reads slowly gets its pongs meanwhile. */
  congested(): void {
    if (this.pendingPong !== undefined) this.pong(this.pendingPong)
  }

  /** Nothing waits any more, which is said after each flush. Whether that is news to anybody. */
  drained(): boolean {
    if (!this.isDrainAwaited) return false
    this.isDrainAwaited = false
    if (this.pendingPong !== undefined) this.writePong(this.pendingPong)
    this.release()
    return true
  }

  /** Lets all go on that wait for room. */
  release(): void {
    const { latch } = this
    this.latch = undefined
    latch?.unsafeOpen()
  }

  /** Waits until nothing has waited once, or the connection has ended. */
  get room(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.latch ??= Effect.unsafeMakeLatch()
      return this.latch.await
    })
  }
}
