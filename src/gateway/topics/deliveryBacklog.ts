/**
 * The publications that a session's connection has not taken: how much may
 * wait, over all its topics, and who goes on when there is room.
 */
import * as Effect from "effect/Effect"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Codec, Frame } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { FlowControl } from "../../session/flowControl.js"
import { type ChunkExchange, type Chunked, chunkLimit, type Progress } from "../../session/large/chunkExchange.js"
import type { Bounds } from "../../topic/bounds.js"
import type { Form } from "./topicFeed.js"

/** Something that lags behind and can send more of what it has. */
export interface Lagging {
  /** Sends one, or a chunk of one, and says `end` when it was the last; false when the window of chunks has no room for it. */
  readonly sendOne: () => boolean
}

/** The session whose connection it is. */
export interface Delivering {
  readonly codec: Codec
  readonly driver: {
    readonly flow: FlowControl
    readonly large: { readonly chunks: Pick<ChunkExchange, "write" | "giveUp"> }
  }
}

export class DeliveryBacklog implements Form {
  messages = 0
  bytes = 0
  readonly codec: Codec
  readonly maxBody: number
  readonly part: number
  private readonly lagging = new Set<Lagging>()
  /** How many of them wait for the window of chunks alone: they hold up nobody else. */
  private blocked = 0
  /** Made when somebody waits until nothing lags, and opened once. */
  private caughtUp: Effect.Latch | undefined
  /** Made when somebody waits for the window of chunks, and opened once. */
  private room: Effect.Latch | undefined

  constructor(
    readonly live: LiveConnection,
    private readonly session: Delivering,
    private readonly bounds: Bounds
  ) {
    const { flow } = session.driver
    this.codec = session.codec
    this.maxBody = flow.peerTakes
    this.part = chunkLimit(live, flow.limits)
  }

  /** True when a publication would have to wait: for the connection, or for those before it. */
  get mustWait(): boolean {
    return this.lagging.size > this.blocked || this.live.isCongested
  }

  /** True when more waits than may; a single message always may. */
  get isOver(): boolean {
    return this.messages > this.bounds.messages || (this.bytes > this.bounds.bytes && this.messages > 1)
  }

  write(frame: Frame): void {
    this.live.write(frame)
  }

  /** Writes the next chunk, if it may go now. */
  writeChunk(message: Chunked): Progress {
    return this.session.driver.large.chunks.write(message)
  }

  /** The rest of it is not wanted any more. */
  giveUp(message: Chunked): void {
    this.session.driver.large.chunks.giveUp(message)
  }

  /** Waits until more chunks may go. */
  readonly hasRoom: Effect.Effect<void> = Effect.suspend(() => {
    this.room ??= Effect.unsafeMakeLatch()
    return this.room.await
  })

  say(message: Extract<Protocol.Control, Protocol.ServerMessage>): void {
    this.live.write(this.codec.encode(message))
  }

  begin(lagging: Lagging): void {
    this.lagging.add(lagging)
  }

  end(lagging: Lagging): void {
    this.lagging.delete(lagging)
    if (this.lagging.size > 0) return
    this.caughtUp?.unsafeOpen()
    this.caughtUp = undefined
  }

  /** The connection takes writes again, or more chunks. */
  drained(): void {
    this.room?.unsafeOpen()
    this.room = undefined
    this.pump()
  }

  /** Those that lag send in turn. */
  pump(): void {
    this.blocked = 0
    while (this.lagging.size > this.blocked) {
      this.blocked = 0
      for (const lagging of this.lagging) {
        if (this.live.end !== undefined || this.live.isCongested) return
        if (!lagging.sendOne()) this.blocked++
      }
    }
  }

  /** Waits until nothing waits any more. */
  readonly idle: Effect.Effect<void> = Effect.suspend(() => {
    if (this.lagging.size === 0) return Effect.void
    this.caughtUp ??= Effect.unsafeMakeLatch()
    return this.caughtUp.await
  })
}
