/**
 * The read deadline: a peer that is silent for too long is dead.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ReadDeadlineExceeded } from "./ConnectionError.js"

/**
 * What the deadline watches. Activity only stamps a number: moving the
 * deadline costs no timer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watched {
  /** When something last arrived, in milliseconds since the epoch. */
  readonly lastActivity: () => number
  /**
   * `undefined` while reading goes on. While this end has paused reading,
   * silence proves nothing: an effect that ends when reading goes on again.
   */
  readonly paused: () => Effect.Effect<void> | undefined
}

/**
 * Fails at exactly `lastActivity + deadline` (milliseconds), and never before.
 * It sleeps until the deadline as it stood, then looks whether it has moved.
 * Run it as a supervised fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (watched: Watched, deadline: number): Effect.Effect<never, ReadDeadlineExceeded> => {
  const look: Effect.Effect<void, ReadDeadlineExceeded> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const resumed = watched.paused()
    if (resumed !== undefined) return resumed
    const lastActivity = watched.lastActivity()
    const left = lastActivity + deadline - now
    return left > 0 ? Effect.sleep(left) : Effect.fail(new ReadDeadlineExceeded({ lastActivity, deadline }))
  })
  return Effect.forever(look)
}
