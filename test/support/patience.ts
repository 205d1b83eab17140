/**
 * How tests wait for what the real platform does: a process that starts, a page that draws, a Redis that elects.
 *
 * No wait is a race with the machine. One ends in failure when nothing has moved for `stillness`, counted in turns of this
 * process's own event loop, so that a process which gets no processor is not told that it hangs; what moves, as far as a wait
 * is told of it, begins the count anew. The bound of a whole test is `limit`. Both are many times what the slowest takes on
 * one core with others, and only what hangs reaches them.
 */
import { Clock, Effect, Schedule, type Scope } from "effect"

/** Milliseconds of one test or hook, whatever it does. */
export const limit = 600_000

/** Seconds in which nothing moves. */
export const stillness = 120

/** Milliseconds of the longest wait of a program that takes no progress into account. */
export const longest = stillness * 1000

/** Dies with these words when `moved` gives the same for too long. */
const watchdog = (what: string, moved: () => unknown): Effect.Effect<never> =>
  Effect.gen(function* () {
    let last = moved()
    for (let still = 0; still < stillness; still++) {
      yield* Effect.sleep("1 second")
      const now = moved()
      if (now !== last) still = -1
      last = now
    }
    return yield* Effect.die(new Error(`nothing has moved for ${stillness} s: waited for ${what}`))
  }).pipe(
    Effect.withClock(Clock.make()), // whatever the test's clock is
    Effect.interruptible // also where a resource is acquired: the race waits for its loser
  )

/** Waits for the effect for as long as something moves: what `moved` gives changes. It is the only wait that a test bounds. */
export const patiently = <A, E, R>(
  what: string,
  effect: Effect.Effect<A, E, R>,
  moved: () => unknown = () => undefined
): Effect.Effect<A, E, R> => Effect.raceFirst(effect, watchdog(what, moved))

/** Waits until it is so. */
export const eventually = <E, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
  moved?: () => unknown
): Effect.Effect<void, E, R> =>
  patiently(
    what,
    Effect.asVoid(Effect.repeat(condition, { until: (met) => met, schedule: Schedule.spaced("2 millis") })),
    moved
  )

/** How late this process's timers have been, in milliseconds, at the worst since this was asked for: the machine's own measure. */
export const lateness: Effect.Effect<() => number, never, Scope.Scope> = Effect.gen(function* () {
  let worst = 0
  const step = 20
  const watch = Effect.suspend(() => {
    const begun = performance.now()
    return Effect.map(Effect.sleep(step), () => {
      worst = Math.max(worst, performance.now() - begun - step)
    })
  })
  yield* Effect.forkScoped(Effect.forever(watch))
  return () => worst
})
