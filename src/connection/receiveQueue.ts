/**
 * What arrived and was not pulled yet. Bounded by pausing the socket: beyond the bound there is only what the platform had read
 * already. It is pulled one by one: whoever stops in the middle leaves the rest to the next.
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

const maxItems = 1024

/** The connection that what arrives comes from. */
export interface Source {
  readonly pause: () => void
  readonly resume: () => void
}

export class ReceiveQueue<A, E> {
  private readonly items: Array<A> = []
  private readonly sizes: Array<number> = []
  private size = 0
  private source: Source | undefined
  private end: Option.Option<E> | undefined
  private readonly arrival = Effect.unsafeMakeLatch()

  constructor(private readonly maxSize: number) {}

  private get isFull(): boolean {
    return this.size >= this.maxSize || this.items.length >= maxItems
  }

  /** A reader that is slow has the socket go on now and then, and not for each message. */
  private get hasRoom(): boolean {
    return this.size <= this.maxSize / 2 && this.items.length <= maxItems / 2
  }

  /** From now on what arrives comes from this one. */
  attach(source: Source): void {
    this.source = source
    if (this.isFull) source.pause()
    else source.resume()
  }

  push(item: A, size: number): void {
    this.items.push(item)
    this.sizes.push(size)
    this.size += size
    if (this.isFull) this.source?.pause()
    this.arrival.unsafeOpen()
  }

  /** The one that was pushed last, if it was not pulled yet. */
  get last(): A | undefined {
    return this.items.at(-1)
  }

  /** Nothing will arrive any more: pulling fails with this, once it has given what there is. */
  finish(end: Option.Option<E>): void {
    this.end ??= end
    this.arrival.unsafeOpen()
  }

  /** Gives another what there is. */
  moveTo<B, F>(other: ReceiveQueue<B, F>, as: (item: A) => B): void {
    for (const [index, item] of this.items.entries()) other.push(as(item), this.sizes[index] ?? 0)
    this.items.length = 0
    this.sizes.length = 0
    this.size = 0
  }

  /** The next that has arrived, or the end. */
  readonly take: Effect.Effect<A, Option.Option<E>> = Effect.suspend(() => {
    if (this.items.length > 0) {
      const item = this.items.shift() as A // there is one
      this.size -= this.sizes.shift() ?? 0
      if (this.hasRoom) this.source?.resume()
      return Effect.succeed(item)
    }
    if (this.end !== undefined) return Effect.fail(this.end)
    this.arrival.unsafeClose()
    return Effect.zipRight(this.arrival.await, this.take)
  })
}
