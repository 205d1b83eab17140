/**
 * Effects that end in the step in which they are run, such as what a store in
 * memory answers. Each is known with the plain function behind it, so that one
 * who asks for every message can call that, without a fiber to wait in.
 *
 * A function that decorates one of them is another function, and not known here:
 * it is run as the effect that it gives.
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"

type Plain<Args extends ReadonlyArray<unknown>, A> = (...args: Args) => A
type Effectful<Args extends ReadonlyArray<unknown>, A, E> = (...args: Args) => Effect.Effect<A, E>

const known = new WeakMap<object, Plain<never, unknown>>()

/** Gives a plain function as an effectful one. */
export const effectful = <Args extends ReadonlyArray<unknown>, A, E>(
  plain: Plain<Args, Exit.Exit<A, E>>
): Effectful<Args, A, E> => {
  const run: Effectful<Args, A, E> = (...args) => Effect.suspend(() => plain(...args))
  known.set(run, plain)
  return run
}

/** Gives a plain function without arguments as an effect. */
export const sync = <A>(plain: () => A): Effect.Effect<A> => {
  const effect = Effect.sync(plain)
  known.set(effect, plain)
  return effect
}

/** The plain function behind an effectful one, if it answers at once. */
export const plainOf = <Args extends ReadonlyArray<unknown>, A, E>(
  run: Effectful<Args, A, E>
): Plain<Args, Exit.Exit<A, E>> | undefined => known.get(run) as Plain<Args, Exit.Exit<A, E>> | undefined // `effectful` keeps the two together

/** The plain function behind an effect, if it ends at once. */
export const plainOfEffect = <A>(effect: Effect.Effect<A>): (() => A) | undefined =>
  known.get(effect) as (() => A) | undefined // so does `sync`

/** Whether an effect has succeeded already: there is nothing left to run. */
export const isSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, E> =>
  Exit.isExit(effect) && Exit.isSuccess(effect)

/** An effect that begins with a plain call, which gives what is left to run: nothing, as a rule. */
export class Attempt<A, E = never, R = never> extends Effectable.Class<A, E, R> {
  constructor(private readonly begin: () => Effect.Effect<A, E, R>) {
    super()
  }

  commit(): Effect.Effect<A, E, R> {
    return this.begin()
  }
}

/** Begins an effect as far as a plain call can, and gives what is left to run. */
export const begun = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  effect instanceof Attempt ? effect.commit() : effect
