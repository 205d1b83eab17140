/**
 * Frames that arrived and were not pulled yet. Bounded by pausing the socket:
 * beyond the bound there is only what the platform had read already.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Frame } from "../protocol/Codec.js"
import type { ConnectionEnd } from "../protocol/ConnectionError.js"
import type { Sink } from "./live/sink.js"
import type { LiveConnection } from "./liveConnection.js"

const maxFrames = 1024

export class ReceiveQueue implements Sink {
  private frames: Array<Frame> = []
  private size = 0
  private end: ConnectionEnd | undefined
  private readonly arrival = Effect.unsafeMakeLatch()

  constructor(
    private readonly live: LiveConnection,
    private readonly maxSize: number
  ) {}

  message(frame: Frame): void {
    this.frames.push(frame)
    this.size += frame.length
    if (this.size >= this.maxSize || this.frames.length >= maxFrames) this.live.pause()
    this.arrival.unsafeOpen()
  }

  drained(): void {}

  ended(end: ConnectionEnd): void {
    this.end = end
    this.arrival.unsafeOpen()
  }

  /** All that has arrived, at least one; then the end: `None` after this end closed. */
  readonly take: Effect.Effect<Chunk.Chunk<Frame>, Option.Option<ConnectionEnd>> = Effect.suspend(() => {
    if (this.frames.length > 0) {
      const frames = this.frames
      this.frames = []
      this.size = 0
      this.live.resume()
      return Effect.succeed(Chunk.unsafeFromArray(frames))
    }
    if (this.end !== undefined) {
      return Effect.fail(this.end._tag === "ClosedLocally" ? Option.none() : Option.some(this.end))
    }
    this.arrival.unsafeClose()
    return Effect.zipRight(this.arrival.await, this.take)
  })
}
