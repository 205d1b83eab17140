/**
 * The way out of a connection: whether what is written waits in memory, and who waits until it does not. Two high-water marks:
 * that of the messages, and a lower one of pongs, which a peer that pings and does not read would have without end.
 */
import * as Effect from "effect/Effect"
import type { Transport } from "../Transport.js"

/** Bytes above which of all pongs the latest alone waits. */
const pongLimit = 64 * 1024

export class Backpressure {
  /** Somebody goes on when nothing waits any more. */
  private isDrainAwaited = false
  private pendingPong: Uint8Array | undefined
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
    if (this.transport.buffered() > pongLimit) {
      this.pendingPong = payload
      this.isDrainAwaited = true
    } else this.transport.pong?.(payload)
  }

  /** Nothing waits any more, which is said after each flush. Whether that is news to anybody. */
  drained(): boolean {
    if (!this.isDrainAwaited) return false
    this.isDrainAwaited = false
    if (this.pendingPong !== undefined) {
      this.transport.pong?.(this.pendingPong)
      this.pendingPong = undefined
    }
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
