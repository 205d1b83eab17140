/** Fibers of sessions that are over: a gateway ends no sooner than they do, within its bounds. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

export class Farewells {
  private readonly fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()

  add(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    if (this.fibers.has(fiber)) return
    this.fibers.add(fiber)
    fiber.addObserver(() => void this.fibers.delete(fiber))
  }

  /** Waits until there are none. */
  readonly said: Effect.Effect<void> = Effect.suspend(() => {
    if (this.fibers.size === 0) return Effect.void
    // One may end with another that is still to come.
    return Effect.zipRight(
      Effect.forEach([...this.fibers], Fiber.await, { concurrency: "unbounded", discard: true }),
      this.said
    )
  })
}
