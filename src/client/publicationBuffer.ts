/** The items of a subscription that have come, and that its consumer has not taken yet: bounded, as the topic's policy says. */
import * as Effect from "effect/Effect"
import type * as Protocol from "../protocol/Protocol.js"
import type { Bounds } from "../topic/bounds.js"

/** One of the items that a subscription's consumer gets, in order. */
export type Item =
  | {
      readonly _tag: "Publication"
      readonly position: Protocol.Position
      readonly body: unknown
      readonly skipped: number
      readonly size: number
    }
  /** It is larger than this end takes. */
  | {
      readonly _tag: "TooLarge"
      readonly position: Protocol.Position
      readonly skipped: number
      readonly size: number
    }
  | { readonly _tag: "Members"; readonly members: ReadonlyArray<Protocol.Member>; readonly size: number }

export class PublicationBuffer {
  private items: Array<Item> = []
  private bytes = 0
  private readonly latch = Effect.unsafeMakeLatch()

  constructor(private readonly bounds: Bounds) {}

  /** True when it holds more than the bounds allow, and nothing of it gives way. */
  push(item: Item, policy: Protocol.Policy): boolean {
    if (policy === "latest") this.replaceAll(item)
    else this.add(item)
    if (policy !== "dropOldest") return this.isOver
    this.dropOldest()
    return false
  }

  /** Everything that waits, in order; the buffer is empty then. */
  takeAll(): ReadonlyArray<Item> {
    const { items } = this
    if (items.length === 0) return items
    this.items = []
    this.bytes = 0
    this.latch.unsafeClose()
    return items
  }

  /** Waits until it is woken, and then no more until everything was taken. */
  get arrival(): Effect.Effect<void> {
    return this.latch.await
  }

  wake(): void {
    this.latch.unsafeOpen()
  }

  private add(item: Item): void {
    this.items.push(item)
    this.bytes += item.size
  }

  private get isOver(): boolean {
    const { bytes, messages } = this.bounds
    return this.items.length > messages || (this.bytes > bytes && this.items.length > 1)
  }

  private replaceAll(item: Item): void {
    const dropped = this.items
    this.items = []
    this.bytes = 0
    this.add(dropped.reduce((next, gone) => this.without(gone, next), item))
  }

  private dropOldest(): void {
    while (this.isOver) {
      const [gone, next] = this.items
      if (gone === undefined || next === undefined) return
      this.items.splice(0, 2, this.without(gone, next))
      this.bytes -= gone.size
    }
  }

  /** The next item, which tells that the one before was skipped. */
  private without(gone: Item, next: Item): Item {
    if (gone._tag === "Members" || next._tag === "Members") return next
    return { ...next, skipped: next.skipped + gone.skipped + 1 }
  }
}
