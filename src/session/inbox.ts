/**
 * Messages received in order and not yet taken by the one consumer. Bounded by
 * the session: the peer may only have so much unprocessed here.
 */
import * as Effect from "effect/Effect"
import { Claim } from "../connection/claim.js"
import { SessionClosed } from "../protocol/ConnectionError.js"
import type { Hooks } from "./driverOptions.js"

/** A message of the peer, received and not yet processed. */
export interface Inbound {
  readonly seq: number
  readonly body: unknown
  readonly confirm: boolean
  readonly size: number
  /** Which session it belongs to, for a client that has started afresh. */
  readonly epoch: number
}

export class Inbox {
  /** The consumer's. */
  readonly claim = new Claim()
  private messages: Array<Inbound> = []
  /** Made when the consumer waits for the first time. */
  private arrival: Effect.Latch | undefined
  /** Why nothing more will come. */
  private closed: string | undefined
  /** Sizes of all messages received and not processed, those taken included. */
  unprocessedSize = 0

  constructor(private readonly hooks: Pick<Hooks, "arrived">) {}

  get isEmpty(): boolean {
    return this.messages.length === 0
  }

  get isClosed(): boolean {
    return this.closed !== undefined
  }

  push(message: Inbound): void {
    this.messages.push(message)
    this.unprocessedSize += message.size
    this.wake()
  }

  processed(message: Inbound): void {
    this.unprocessedSize -= message.size
  }

  /** Puts back what a consumer took and did not process. */
  untake(batch: ReadonlyArray<Inbound>): void {
    if (batch.length > 0) this.messages = [...batch, ...this.messages]
  }

  /** `take` fails once what is here was taken. */
  close(reason: string): void {
    this.closed ??= reason
    this.wake()
  }

  private wake(): void {
    this.arrival?.unsafeOpen()
    this.hooks.arrived?.()
  }

  /** Hands over what there is. */
  takeAll(): ReadonlyArray<Inbound> {
    const batch = this.messages
    this.messages = []
    return batch
  }

  /**
   * Hands over all that was received and not taken, at least one, in the step in
   * which it leaves the inbox: whoever is interrupted has it, or it is still here.
   */
  take(into: (batch: ReadonlyArray<Inbound>) => void): Effect.Effect<void, SessionClosed> {
    return Effect.suspend(() => {
      if (this.messages.length > 0) {
        const batch = this.messages
        this.messages = []
        into(batch)
        return Effect.void
      }
      if (this.closed !== undefined) return Effect.fail(new SessionClosed({ reason: this.closed }))
      this.arrival ??= Effect.unsafeMakeLatch()
      this.arrival.unsafeClose()
      return Effect.zipRight(this.arrival.await, this.take(into))
    })
  }
}
