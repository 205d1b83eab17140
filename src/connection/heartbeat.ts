/**
 * The heartbeat: a ping every interval.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { monotonic } from "./clocks.js"
import * as timerQueue from "./timerQueue.js"

/**
 * Something that beats, every so many milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Beating {
  /** Milliseconds. */
  readonly interval: number
  readonly beat: () => void
  /** `beat` has thrown, and is not called again. */
  readonly died: (defect: unknown) => void
}

/**
 * The handle of a heartbeat that was started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Heart {
  /** It beats no more. */
  readonly stop: () => void
}

/**
 * The hearts of many connections: one supervised fiber beats for all of them,
 * and sleeps until the next beat that is due.
 *
 * @since 0.1.0
 * @category models
 */
export interface Heartbeat {
  /** Beats first after this part of the interval (see `jitter`), then every interval, to the millisecond. */
  readonly start: (beating: Beating, part: number) => Heart
}

class HeartTask extends timerQueue.Task implements Heart {
  constructor(
    private readonly beating: Beating,
    private readonly beats: timerQueue.TimerQueue
  ) {
    super()
  }

  due(now: number): number {
    this.beating.beat()
    return now + this.beating.interval
  }

  died(defect: unknown): void {
    this.beating.died(defect)
  }

  stop(): void {
    this.beats.remove(this)
  }
}

/**
 * The part of its interval, from 0 to 1, after which a heart beats first: random,
 * so that ten thousand connections made at once do not beat together. Under a
 * fixed `Random` it is exact.
 *
 * @since 0.1.0
 * @category constructors
 */
export const jitter: Effect.Effect<number> = Random.next

/**
 * The fiber lives in the scope, for as long as anything beats.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Heartbeat, never, Scope.Scope> = Effect.zipWith(
  timerQueue.make,
  Effect.clock,
  (beats, clock) => ({
    start: (beating, part) => {
      const task = new HeartTask(beating, beats)
      beats.set(task, monotonic(clock) + Math.round(beating.interval * part))
      return task
    }
  })
)
