/**
 * The heartbeat: a ping every interval.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * Beats for ever: first after a random part of the interval, so that ten
 * thousand connections made at once do not beat together, then every interval.
 * Under a fixed `Random` the times are exact. Run it as a supervised fiber.
 *
 * `interval` is in milliseconds and `beat` must not throw.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (options: { readonly interval: number; readonly beat: () => void }): Effect.Effect<never> =>
  Effect.flatMap(Random.next, (part) => {
    const next = Effect.zipRight(Effect.sync(options.beat), Effect.sleep(options.interval))
    return Effect.zipRight(Effect.sleep(options.interval * part), Effect.forever(next))
  })
