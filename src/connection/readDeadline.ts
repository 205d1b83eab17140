/**
 * The read deadline: a peer that is silent for too long is dead.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as timerQueue from "./timerQueue.js"

/**
 * The thing that the deadline watches. Activity only stamps a number: moving the
 * deadline costs no timer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watched {
  /** When something last arrived, in milliseconds of the monotonic clock. */
  readonly lastActivity: number
  /** Nothing has come for as long as the deadline, in milliseconds, and nothing is watched any more: what that proves is its own to judge. */
  readonly exceeded: (deadline: number) => void
  /** `exceeded` has thrown; where it waits before it judges, that is its own business. */
  readonly died: (defect: unknown) => void
}

/**
 * The handle of a deadline that is watched.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watch {
  /** Reading goes on, and something counts as having arrived now. */
  readonly resumed: () => void
  readonly stop: () => void
}

/**
 * The deadlines of many connections: one supervised fiber watches all of them,
 * and sleeps until the next one, as it stood when it was looked at last.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReadDeadline {
  /** Tells of it at exactly `lastActivity + deadline` (milliseconds), and never before. */
  readonly watch: (watched: Watched, deadline: number) => Watch
}

class WatchTask extends timerQueue.Task implements Watch {
  constructor(
    private readonly watched: Watched,
    private readonly deadline: number,
    private readonly deadlines: timerQueue.TimerQueue
  ) {
    super()
  }

  due(now: number): number | undefined {
    const at = this.watched.lastActivity + this.deadline
    if (at > now) return at
    this.watched.exceeded(this.deadline)
    return undefined
  }

  died(defect: unknown): void {
    this.watched.died(defect)
  }

  resumed(): void {
    // One that is still to be looked at is set then.
    if (!this.isSet) this.deadlines.set(this, this.watched.lastActivity + this.deadline)
  }

  stop(): void {
    this.deadlines.remove(this)
  }
}

/**
 * The fiber lives in the scope, for as long as anything is watched.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ReadDeadline, never, Scope.Scope> = Effect.map(timerQueue.make, (deadlines) => ({
  watch: (watched, deadline) => {
    const task = new WatchTask(watched, deadline, deadlines)
    deadlines.set(task, watched.lastActivity + deadline)
    return task
  }
}))
