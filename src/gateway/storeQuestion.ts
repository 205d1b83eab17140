/** Questions to the store that take or make a session, whose answers must not be lost. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bounded } from "../connection/bounded.js"

interface Services {
  /** Milliseconds. */
  readonly options: { readonly closeTimeout: number }
  /** Runs a fiber that the gateway ends after all the others. */
  readonly forkLast: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
}

/**
 * The gateway may end while the store answers: what the answer gives is given back then, or it would be nobody's for ever.
 * A store that does not answer is waited for no longer than `closeTimeout`.
 */
export const orGiveBack = <A, B, E>(
  { forkLast, options }: Services,
  question: Effect.Effect<A, E>,
  use: (answer: A) => Effect.Effect<B, E>,
  giveBack: (answer: A) => Effect.Effect<void>
): Effect.Effect<B, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      // In the asking fiber it would be interrupted with that, and its answer lost.
      const asking = forkLast(question)
      const answer = Fiber.join(asking)
      const givenBack = bounded(Effect.ignore(Effect.flatMap(answer, giveBack)), options.closeTimeout)
      const back = Effect.zipRight(givenBack, Fiber.interruptFork(asking))
      return Effect.onInterrupt(restore(Effect.flatMap(answer, use)), () => back)
    })
  )
