/**
 * Runs a program in virtual time: whenever nothing can happen any more at this
 * instant, the clock jumps to the next one at which something will. Hours pass
 * in milliseconds, always in the same way, and the program need not say when.
 *
 * Where a test has to look at an exact millisecond it uses TestClock instead;
 * what it looks at at the end is the same.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Scheduler from "effect/Scheduler"
import { PCGRandom } from "effect/Utils"
import { isBackground } from "../connection/clocks.js"
import { Timers } from "./internal/timers.js"

/**
 * The options of a run in virtual time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Fibers that could all go on go on in an order drawn from this seed, rather
   * than in the order in which they became ready: what a test finds under many
   * seeds does not depend on one order.
   */
  readonly shuffle?: number | undefined
  /** How much virtual time a program may take before it is held to be waiting for ever. Default 1 day. */
  readonly limit?: Duration.DurationInput | undefined
}

/** The steps that may happen at one instant before it is held to go on for ever. */
const busyLimit = 1_000_000

/**
 * The reason for which a program cannot end: nothing is left that could happen; more virtual
 * time has passed than it was given; or it does a million things without any
 * time passing.
 *
 * @since 0.1.0
 * @category models
 */
export type StuckReason = "Quiet" | "Late" | "Busy"

const stuckMessage = (millis: number): Record<StuckReason, string> => ({
  Quiet: `After ${millis} ms of virtual time nothing is left that could happen, and the program still waits. Either it waits for what nobody will do, or for something outside of Effect (a socket, a Promise of the platform), which virtual time cannot wait for: give it an implementation in memory.`,
  Late: `The program has not ended after ${millis} ms of virtual time. Either it waits for what nobody will do, or it needs a larger \`limit\`.`,
  Busy: `At ${millis} ms of virtual time a million things happened without any time passing: some loop of the program never waits. Its finalizers were not run.`
})

/**
 * A program can never end, for `reason`, after so many milliseconds of virtual
 * time.
 *
 * @since 0.1.0
 * @category errors
 */
export class Stuck extends Error {
  override readonly name = "Stuck"
  constructor(
    readonly millis: number,
    readonly reason: StuckReason
  ) {
    super(stuckMessage(millis)[reason])
  }
}

/** Counts what happens at one instant. */
class Effort {
  private spent = 0
  private at = -1

  constructor(private readonly timers: Timers) {}

  /** One thing more; false when there were too many. */
  spend(): boolean {
    if (this.timers.now !== this.at) {
      this.at = this.timers.now
      this.spent = 0
    }
    this.spent++
    return !this.isSpent
  }

  get isSpent(): boolean {
    return this.spent > busyLimit
  }
}

const makeScheduler = (shuffle: number | undefined, effort: Effort): Scheduler.Scheduler => {
  const random = shuffle === undefined ? undefined : new PCGRandom(shuffle)
  const ready = new Scheduler.PriorityBuckets()
  /** Each task in a microtask of its own, between those of everything else. */
  const runOne = () => {
    const bucket = ready.buckets[0]
    if (bucket === undefined || !effort.spend()) return
    const [, tasks] = bucket
    const index = random === undefined || tasks.length === 1 ? 0 : random.integer(tasks.length)
    const [task] = tasks.splice(index, 1)
    if (tasks.length === 0) ready.buckets.shift()
    task?.()
  }
  return {
    shouldYield: Scheduler.defaultShouldYield,
    scheduleTask: (task, priority) => {
      ready.scheduleTask(task, priority)
      queueMicrotask(runOne)
    }
  }
}

const makeClock = (timers: Timers): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => timers.now,
  unsafeCurrentTimeNanos: () => BigInt(Math.round(timers.now * 1_000_000)),
  currentTimeMillis: Effect.sync(() => timers.now),
  currentTimeNanos: Effect.sync(() => BigInt(Math.round(timers.now * 1_000_000))),
  sleep: (duration) =>
    Effect.flatMap(FiberRef.get(isBackground), (isBackground) =>
      Effect.async<void>((resume) => {
        const cancel = timers.add(Duration.toMillis(duration), () => resume(Effect.void), isBackground)
        return Effect.sync(cancel)
      })
    )
})

/** After every microtask that there is, and every one that those bring about. */
const afterMicrotasks: (then: () => void) => void =
  typeof setImmediate === "function"
    ? (then) => void setImmediate(then)
    : (then) => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => {
          port1.close()
          then()
        }
        port2.postMessage(undefined)
      }

/**
 * Runs an effect in virtual time, which begins at 0. It dies with `Stuck` when
 * the effect can never end.
 *
 * Everything that it waits for must be in memory: `MemoryNetwork`, the memory
 * stores, and what your own program puts in the place of its databases. A run
 * within a run is outside of the first.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Options): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const timers = new Timers()
      const effort = new Effort(timers)
      const limit = Duration.toMillis(options?.limit ?? "1 day")
      const fiber = yield* Effect.forkDaemon(Effect.interruptible(effect)).pipe(
        Effect.withClock(makeClock(timers)),
        Effect.withScheduler(makeScheduler(options?.shuffle, effort))
      )
      const ended = Deferred.unsafeMake<A, E>(FiberId.none)
      let exit: Exit.Exit<A, E> | undefined
      let stuck: Stuck | undefined
      fiber.addObserver((found) => {
        exit = found
      })
      const interrupt = Effect.sync(() => fiber.unsafeInterruptAsFork(FiberId.none))
      const end = (how: Exit.Exit<A, E>) => Deferred.unsafeDone(ended, how)
      const turn = () => {
        if (exit !== undefined) return end(stuck === undefined ? exit : Exit.die(stuck))
        if (!effort.spend()) return end(Exit.die(new Stuck(timers.now, "Busy")))
        if (stuck !== undefined) {
          // Even its finalizers wait for what never comes.
          if (timers.isEmpty || timers.next > stuck.millis + limit) return end(Exit.die(stuck))
          timers.advance()
        } else if (timers.isEmpty || timers.next > limit) {
          stuck = timers.isEmpty ? new Stuck(timers.now, "Quiet") : new Stuck(limit, "Late")
          fiber.unsafeInterruptAsFork(FiberId.none)
        } else {
          timers.advance()
        }
        afterMicrotasks(turn)
      }
      afterMicrotasks(turn)
      return yield* restore(Deferred.await(ended)).pipe(
        Effect.onInterrupt(() => Effect.zipRight(interrupt, Effect.exit(Deferred.await(ended))))
      )
    })
  )
