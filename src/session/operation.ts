/**
 * An operation of a service, and the plain function that may come with it.
 *
 * Whoever asks for every message calls `immediate` where there is one, without a fiber to wait in. It is a member of the
 * operation itself, not of the service: a decorator that spreads a service passes it on, and one that puts a function of
 * its own in the place of an operation is asked, whether or not it offers the same.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * An effectful function that may offer itself as a plain one.
 *
 * `immediate` does what running the effect does, with the same outcome, before it returns: it never waits and never throws.
 * Either may be called, in any order. A service that has to wait for anything leaves it out; a decorator that means to see
 * each call wraps it as well, or leaves it out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Operation<Args extends ReadonlyArray<unknown>, A, E = never> {
  (...args: Args): Effect.Effect<A, E>
  readonly immediate?: ((...args: Args) => Exit.Exit<A, E>) | undefined
}

/**
 * An operation that answers in the step in which it is asked, from the plain function behind it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SessionStore } from "holdfast"
 *
 * // Counts what an operation is asked, and leaves it as fast as it was.
 * const counted = <Args extends ReadonlyArray<unknown>, A, E>(asked: SessionStore.Operation<Args, A, E>, count: () => void) => {
 *   const { immediate } = asked
 *   const effect = (...args: Args) => Effect.suspend(() => (count(), asked(...args)))
 *   return Object.assign(effect, { immediate: immediate && ((...args: Args) => (count(), immediate(...args))) })
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const operation = <Args extends ReadonlyArray<unknown>, A, E>(
  immediate: (...args: Args) => Exit.Exit<A, E>
): Operation<Args, A, E> => Object.assign((...args: Args) => Effect.suspend(() => immediate(...args)), { immediate })

/** Asks: at once where that is offered. */
export const ask = <Args extends ReadonlyArray<unknown>, A, E>(
  asked: Operation<Args, A, E>,
  ...args: Args
): Effect.Effect<A, E> => asked.immediate?.(...args) ?? asked(...args)
