/**
 * The publications that a session's connection has not taken: how much may
 * wait, over all its topics, and who goes on when there is room.
 */
import * as Effect from "effect/Effect"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Codec, Frame } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Bounds } from "../../topic/bounds.js"
import type { Form } from "./topicFeed.js"

/** Something that lags behind and can send more of what it has. */
export interface Lagging {
  /** Sends one, and says `end` when it was the last. */
  readonly sendOne: () => void
}

export class DeliveryBacklog implements Form {
  messages = 0
  bytes = 0
  private readonly lagging = new Set<Lagging>()
  /** Made when somebody waits until nothing lags, and opened once. */
  private caughtUp: Effect.Latch | undefined

  constructor(
    readonly live: LiveConnection,
    readonly codec: Codec,
    private readonly bounds: Bounds,
    readonly maxBody: number
  ) {}

  /** True when a publication would have to wait: for the connection, or for those before it. */
  get mustWait(): boolean {
    return this.lagging.size > 0 || this.live.isCongested
  }

  /** True when more waits than may; a single message always may. */
  get isOver(): boolean {
    return this.messages > this.bounds.messages || (this.bytes > this.bounds.bytes && this.messages > 1)
  }

  write(frame: Frame): void {
    this.live.write(frame)
  }

  say(message: Exclude<Protocol.ServerMessage, Protocol.Data | Protocol.Part>): void {
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

  /** The connection takes writes again: those that lag send in turn. */
  pump(): void {
    while (this.lagging.size > 0) {
      for (const lagging of this.lagging) {
        if (this.live.end !== undefined || this.live.isCongested) return
        lagging.sendOne()
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
