/** Calling into the application, and waiting for it, with bounds; in finalizers too. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * Runs an effect for so many milliseconds at the most. `Effect.timeout` alone
 * does not bound what a finalizer waits for: finalizers are uninterruptible,
 * and so is all that they run.
 */
export const bounded = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  millis: number
): Effect.Effect<Option.Option<A>, E, R> => Effect.timeoutOption(Effect.interruptible(effect), millis)

/** The application's effect; where making it throws already, an effect that dies. */
export const made = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return make()
  } catch (defect) {
    return Effect.die(defect)
  }
}
