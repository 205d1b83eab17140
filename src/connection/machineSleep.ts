/**
 * A machine that has slept, a program that was stopped, a system's clock that was set: nobody tells, and what was so before may
 * not be so any more. One look at both clocks every 5 seconds, for all who want to know and go by the same clock.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { isBackground, monotonic, wallTime } from "./clocks.js"

/** In milliseconds. */
const lookEvery = 5000
/** A look that comes so late has not been so by itself, and clocks that are so far apart have not gone apart by themselves. */
const tolerance = 2000

interface Watcher {
  readonly awoke: () => void
  /** Runs a fiber that the watcher supervises. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

interface Reading {
  readonly monotonic: number
  readonly wall: number
}

/**
 * True where there was something between two looks. On some systems a machine's sleep counts in monotonic time, and so in timers:
 * the look is late. On others it does not, and the clocks are apart; so are they where wall time was set.
 */
const hasSlept = (before: Reading, after: Reading): boolean => {
  const passed = after.monotonic - before.monotonic
  const apart = after.wall - before.wall - passed
  return passed - lookEvery > tolerance || Math.abs(apart) > tolerance
}

class Looks {
  private readonly watchers = new Set<Watcher>()
  /** The one whose fiber looks, for all. */
  private looking: { readonly by: Watcher; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
  private last: Reading

  constructor(private readonly clock: Clock.Clock) {
    this.last = this.read()
  }

  private read(): Reading {
    return { monotonic: monotonic(this.clock), wall: wallTime(this.clock) }
  }

  add(watcher: Watcher): void {
    if (this.watchers.size === 0) this.last = this.read()
    this.watchers.add(watcher)
    if (this.looking === undefined) this.lookBy(watcher)
  }

  remove(watcher: Watcher): void {
    this.watchers.delete(watcher)
    if (this.looking?.by !== watcher) return
    this.looking.fiber.unsafeInterruptAsFork(FiberId.none)
    this.looking = undefined
    for (const other of this.watchers) return this.lookBy(other)
  }

  private lookBy(by: Watcher): void {
    this.looking = { by, fiber: by.fork(Effect.locally(this.look, isBackground, true)) }
  }

  private readonly look: Effect.Effect<never> = Effect.suspend(() => {
    const left = this.last.monotonic + lookEvery - monotonic(this.clock)
    return Effect.zipRight(
      Effect.sleep(Math.max(0, left)),
      Effect.suspend(() => {
        const before = this.last
        this.last = this.read()
        if (hasSlept(before, this.last)) for (const { awoke } of [...this.watchers]) awoke()
        return this.look
      })
    )
  })
}

const byClock = new WeakMap<Clock.Clock, Looks>()

/** Calls back within 5 seconds after each, until the scope closes. */
export const watch = (awoke: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]), ([clock, runtime, scope]) => {
    const looks = byClock.get(clock) ?? new Looks(clock)
    byClock.set(clock, looks)
    const watcher: Watcher = { awoke, fork: (effect) => Runtime.runFork(runtime)(effect, { scope }) }
    return Effect.acquireRelease(
      Effect.sync(() => looks.add(watcher)),
      () => Effect.sync(() => looks.remove(watcher))
    )
  })
