/**
 * What falls due at a time, for many: one fiber sleeps until the earliest of all,
 * so that ten thousand connections need not have a sleeping fiber each. There is
 * none while nothing is due.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"

/** Something that falls due, at one time after the other. */
export abstract class Task {
  /** Milliseconds since the epoch; the agenda's business, as are the next two. */
  at = 0
  order = 0
  /** Where it is on the agenda; -1 when it is not. */
  place = -1

  /** Called at its time and never before. Gives when it is due again. */
  abstract due(now: number): number | undefined
  /** `due` has thrown, and is not called again. */
  abstract died(defect: unknown): void
}

/** Those of the same millisecond come in the order in which they were set. */
const isBefore = (one: Task, other: Task): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)

export class Agenda {
  /** A binary heap, the earliest first. */
  private readonly heap: Array<Task> = []
  private ordered = 0
  private isRunning = false
  /** When the fiber wakes, if there is one. */
  private until: number | undefined
  private fiber: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly clock: Clock.Clock,
    /** Runs the fiber, which its owner supervises. */
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  /** How many tasks there are. */
  get size(): number {
    return this.heap.length
  }

  /** Has a task fall due at this time, and not when it was to before. */
  set(task: Task, at: number): void {
    if (task.place < 0) task.place = this.heap.push(task) - 1
    this.move(task, at)
    if (!this.isRunning) this.wakeInTime()
  }

  /** Has a task fall due no more. */
  remove(task: Task): void {
    const { place } = task
    if (place < 0) return
    task.place = -1
    const last = this.heap.pop()
    if (last !== undefined && last !== task) this.sink(last, this.rise(last, place))
    if (this.heap.length === 0 && !this.isRunning) this.rest()
  }

  private move(task: Task, at: number): void {
    task.at = at
    task.order = this.ordered++
    this.sink(task, this.rise(task, task.place))
  }

  /** Up from a place that is free; gives where it has come to. */
  private rise(task: Task, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.heap[above]
      if (parent === undefined || !isBefore(task, parent)) break
      this.put(parent, place)
      place = above
    }
    return place
  }

  /** Down from a place that is free, to where it belongs. */
  private sink(task: Task, from: number): void {
    let place = from
    for (;;) {
      const left = this.heap[2 * place + 1]
      const right = this.heap[2 * place + 2]
      const isRight = left !== undefined && right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (child === undefined || !isBefore(child, task)) break
      this.put(child, place)
      place = 2 * place + (isRight ? 2 : 1)
    }
    this.put(task, place)
  }

  private put(task: Task, place: number): void {
    this.heap[place] = task
    task.place = place
  }

  /** Sees to it that the fiber wakes at the earliest time, if there is one. */
  private wakeInTime(): void {
    const earliest = this.heap[0]?.at
    if (earliest === undefined || (this.until !== undefined && this.until <= earliest)) return
    this.fiber?.unsafeInterruptAsFork(FiberId.none)
    this.until = earliest
    const fiber = this.fork(this.run)
    this.fiber = this.until === undefined ? undefined : fiber
  }

  /** Nothing is due any more. */
  private rest(): void {
    this.fiber?.unsafeInterruptAsFork(FiberId.none)
    this.fiber = undefined
    this.until = undefined
  }

  /** Does what is due and sleeps, until there is nothing more. */
  private readonly run: Effect.Effect<void> = Effect.suspend(() => {
    const now = this.clock.unsafeCurrentTimeMillis()
    this.isRunning = true
    for (let task = this.heap[0]; task !== undefined && task.at <= now; task = this.heap[0]) this.perform(task, now)
    this.isRunning = false
    this.until = this.heap[0]?.at
    if (this.until !== undefined) return Effect.zipRight(Effect.sleep(this.until - now), this.run)
    this.fiber = undefined
    return Effect.void
  })

  private perform(task: Task, now: number): void {
    const { order } = task
    try {
      const again = task.due(now)
      // It may have set or removed itself.
      if (task.place < 0 || task.order !== order) return
      if (again === undefined) this.remove(task)
      else this.move(task, again)
    } catch (defect) {
      this.remove(task)
      task.died(defect)
    }
  }
}

/**
 * An agenda whose fiber lives in the scope: until the finalizers have run that are
 * added after this, since the fiber's own place among them is taken now.
 */
export const make: Effect.Effect<Agenda, never, Scope.Scope> = Effect.flatMap(
  Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]),
  ([clock, runtime, outer]) =>
    Effect.map(Scope.fork(outer, ExecutionStrategy.sequential), (scope) => {
      const runFork = Runtime.runFork(runtime)
      return new Agenda(clock, (effect) => runFork(effect, { scope }))
    })
)
