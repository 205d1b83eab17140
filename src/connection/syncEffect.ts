/** Effects that have ended already, such as what a store in memory answers: who asks for every message goes on without a fiber. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** True for an effect that has succeeded already: there is nothing left to run. */
export const isSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** Goes on with what an effect gives: in this very step where it is known. */
export const andThen = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  next: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => (isSuccess(effect) ? next(effect.value) : Effect.flatMap(effect, next))

/** Begins an effect, and releases what it needs as soon as it has ended: in this very step where it ends in it. */
export const releasing = <A, E, R>(
  begin: () => Effect.Effect<A, E, R>,
  release: () => void
): Effect.Effect<A, E, R> => {
  let rest: Effect.Effect<A, E, R>
  try {
    rest = begin()
  } catch (defect) {
    release()
    return Effect.die(defect)
  }
  if (!Exit.isExit(rest)) return Effect.ensuring(rest, Effect.sync(release))
  release()
  return rest
}
