/** Runs effects in fibers that a scope supervises. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

/** Runs an effect as far as it waits for nothing, and gives its fiber. */
export type Fork<R> = <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.RuntimeFiber<A, E>

/**
 * The end of the scope interrupts the fibers, and waits for them; from then on nothing is run. A fiber that is done in one step, as most are,
 * never comes into the set (a fortieth of what a message and its answer cost a gateway).
 */
export const make = <R>(): Effect.Effect<Fork<R>, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const set = yield* FiberSet.make<unknown, unknown>()
    const run = Runtime.runFork(yield* Effect.runtime<R>())
    let isOver = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isOver = true
      })
    )
    return (effect) => {
      if (isOver) return run(Effect.interrupt)
      const fiber = run(effect)
      if (fiber.unsafePoll() === null) FiberSet.unsafeAdd(set, fiber)
      return fiber
    }
  })
