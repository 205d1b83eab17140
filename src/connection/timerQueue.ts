/**
 * The timer queue: what falls due at a time, for many; one fiber sleeps until the earliest of all,
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
import { monotonic } from "./clocks.js"

/** Something that falls due, at one time after the other. */
export abstract class Task {
  /** On the monotonic clock; the queue's business, as is the next. */
  at = 0
  /** Where it is among those of its time, or one of the two below. */
  place = absent

  /** Called at its time and never before. Gives when it is due again. */
  abstract due(now: number): number | undefined
  /** True while it is in the queue. */
  get isSet(): boolean {
    return this.place !== absent
  }

  /** `due` has thrown, and is not called again. */
  abstract died(defect: unknown): void
}

/** It is not in the queue. */
const absent = -1
/** It is due now, and has neither been set nor removed since. */
const due = -2

/** So many are kept in any case. */
const fewTimes = 64

/** The tasks that fall due in one millisecond, in the order in which it was set. */
interface Slot {
  readonly tasks: Array<Task | undefined>
  count: number
}

/**
 * A slot for each millisecond, and a heap of these: what beats every so often touches two slots, and not
 * other tasks on its way through a heap of all, whose memory is far away.
 */
export class TimerQueue {
  private readonly slots = new Map<number, Slot>()
  /** A binary heap of the times of slots, those that are no more included. */
  private readonly times: Array<number> = []
  private isRunning = false
  /** When the fiber wakes, if there is one. */
  private until: number | undefined
  private fiber: Fiber.RuntimeFiber<void> | undefined
  /** The number of tasks. */
  size = 0

  /** The number of times that it holds, those of slots that are no more included. */
  get remembered(): number {
    return this.times.length
  }

  constructor(
    private readonly clock: Clock.Clock,
    /** Runs the fiber, which its owner supervises. */
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  /** Has a task fall due at this time, and not when it was to before. */
  set(task: Task, at: number): void {
    if (task.place >= 0) this.take(task)
    else if (task.place === absent) this.size++
    this.put(task, at)
    if (!this.isRunning) this.wakeInTime()
  }

  /** Has a task fall due no more. */
  remove(task: Task): void {
    if (task.place === absent) return
    if (task.place >= 0) this.take(task)
    task.place = absent
    this.size--
    if (this.size === 0 && !this.isRunning) this.rest()
  }

  private put(task: Task, at: number): void {
    let slot = this.slots.get(at)
    if (slot === undefined) {
      slot = { tasks: [], count: 0 }
      this.slots.set(at, slot)
      this.rise(at)
    }
    slot.count++
    task.at = at
    task.place = slot.tasks.push(task) - 1
  }

  private take({ at, place }: Task): void {
    const slot = this.slots.get(at)
    if (slot === undefined) return
    slot.tasks[place] = undefined
    if (--slot.count > 0) return
    this.slots.delete(at)
    if (this.times.length > 2 * this.slots.size + fewTimes) this.forgetTimes()
  }

  /** Those of slots that are no more, where they are most: what comes and goes for hours is due long after. */
  private forgetTimes(): void {
    this.times.length = 0
    for (const time of [...this.slots.keys()].sort((one, other) => one - other)) this.times.push(time)
  }

  // ---- the heap

  private rise(time: number): void {
    const { times } = this
    let place = times.push(time) - 1
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = times[above] ?? 0
      if (parent <= time) break
      times[place] = parent
      place = above
    }
    times[place] = time
  }

  private dropEarliest(): void {
    const { times } = this
    const time = times.pop()
    const { length } = times
    if (time === undefined || length === 0) return
    let place = 0
    for (;;) {
      const left = 2 * place + 1
      const right = left + 1
      const child = right < length && (times[right] ?? 0) < (times[left] ?? 0) ? right : left
      const least = times[child]
      if (least === undefined || least >= time) break
      times[place] = least
      place = child
    }
    times[place] = time
  }

  /** The time of the first slot there is. */
  private get earliest(): number | undefined {
    for (;;) {
      const time = this.times[0]
      if (time === undefined || this.slots.has(time)) return time
      this.dropEarliest()
    }
  }

  // ---- the fiber

  /** Sees to it that the fiber wakes at the earliest time, if there is one. */
  private wakeInTime(): void {
    const { earliest } = this
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
    this.times.length = 0
  }

  /** Does what is due and sleeps, until there is nothing more. */
  private readonly run: Effect.Effect<void> = Effect.suspend(() => {
    const now = monotonic(this.clock)
    this.isRunning = true
    for (let at = this.earliest; at !== undefined && at <= now; at = this.earliest) this.performAll(at, now)
    this.isRunning = false
    this.until = this.earliest
    if (this.until !== undefined) return Effect.zipRight(Effect.sleep(this.until - now), this.run)
    this.fiber = undefined
    return Effect.void
  })

  /** Others may be set and removed meanwhile. */
  private performAll(at: number, now: number): void {
    const slot = this.slots.get(at)
    if (slot === undefined) return
    for (let place = 0; place < slot.tasks.length; place++) {
      const task = slot.tasks[place]
      if (task === undefined) continue
      this.take(task)
      task.place = due
      this.perform(task, now)
    }
  }

  private perform(task: Task, now: number): void {
    try {
      const again = task.due(now)
      // It may have set or removed itself.
      if (task.place !== due) return
      if (again === undefined) this.remove(task)
      else this.put(task, again)
    } catch (defect) {
      this.remove(task)
      task.died(defect)
    }
  }
}

/**
 * A timer queue whose fiber lives in the scope: until the finalizers have run that are
 * added after this, since the fiber's own place among them is taken now.
 */
export const make: Effect.Effect<TimerQueue, never, Scope.Scope> = Effect.flatMap(
  Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]),
  ([clock, runtime, outer]) =>
    Effect.map(Scope.fork(outer, ExecutionStrategy.sequential), (scope) => {
      const runFork = Runtime.runFork(runtime)
      return new TimerQueue(clock, (effect) => runFork(effect, { scope }))
    })
)
