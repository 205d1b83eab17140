/**
 * Functions whose effects end in the step in which they are run: what a store in
 * memory answers. Each is known with the plain function behind it, so that one
 * who asks for every message can call that, without a fiber to wait in.
 *
 * A function that decorates one of them is another function, and not known here:
 * it is run as the effect that it gives.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

export type Plain<Args extends ReadonlyArray<unknown>, A, E> = (...args: Args) => Exit.Exit<A, E>
type Effectful<Args extends ReadonlyArray<unknown>, A, E> = (...args: Args) => Effect.Effect<A, E>

const known = new WeakMap<Effectful<never, unknown, unknown>, Plain<never, unknown, unknown>>()

/** Gives a plain function as an effectful one. */
export const effectful = <Args extends ReadonlyArray<unknown>, A, E>(
  plain: Plain<Args, A, E>
): Effectful<Args, A, E> => {
  const run: Effectful<Args, A, E> = (...args) => Effect.suspend(() => plain(...args))
  known.set(run, plain)
  return run
}

/** The plain function behind an effectful one, if it answers at once. */
export const plainOf = <Args extends ReadonlyArray<unknown>, A, E>(
  run: Effectful<Args, A, E>
): Plain<Args, A, E> | undefined => known.get(run) as Plain<Args, A, E> | undefined // `effectful` keeps the two together
