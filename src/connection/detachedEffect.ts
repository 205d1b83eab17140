/** Runs effects of the application's so that whoever waits for one can leave at once. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

/** Effects that run at once, those included that nobody waits for any more: one more waits for its turn. */
const most = 8

/**
 * Runs an effect in a fiber of its own. Whoever is interrupted interrupts that, and does not wait for it: an effect that
 * cannot be interrupted defeats no bound. The scope interrupts those that are left.
 */
export type Detached = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

export const make: Effect.Effect<Detached, never, Scope.Scope> = Effect.gen(function* () {
  const running = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  const turns = yield* Effect.makeSemaphore(most)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const fiber of running) fiber.unsafeInterruptAsFork(FiberId.none)
    })
  )
  return (effect) =>
    Effect.uninterruptibleMask((restore) =>
      // A child would be waited for when its parent ends.
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(turns.withPermits(1)(effect))), (fiber) => {
        running.add(fiber)
        fiber.addObserver(() => running.delete(fiber))
        return Effect.onInterrupt(restore(Fiber.join(fiber)), () => Fiber.interruptFork(fiber))
      })
    )
})
