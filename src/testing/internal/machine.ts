/** A machine of the network: it sleeps, it crashes, and another may take its place under the same name. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

/** From its start to its crash. */
export interface Boot {
  isUp: boolean
}

export class Machine {
  isAsleep = false
  /** The program that it runs, to be run again after a crash. */
  programs: Array<Effect.Effect<Fiber.RuntimeFiber<unknown, unknown>>> = []
  boot: Boot = { isUp: true }
  /** True when somebody has its clock: without it, it cannot be put to sleep. */
  hasClock = false

  /** The reason for which a program of it failed last: whoever finds nobody listening there is told. */
  failure: string | undefined

  private fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
  /** Milliseconds by which its system clock was set forward, or back: its monotonic clock knows nothing of it. */
  private clockStep = 0
  /** Nanoseconds that it slept and its monotonic clock did not count. */
  private notCounted = 0n
  /** Where its monotonic clock stands while it sleeps, if it does. */
  private stoppedAt: bigint | undefined
  /** Closed while it sleeps. */
  private readonly awake = Effect.unsafeMakeLatch(true)

  constructor(readonly name: string) {}

  /** A fiber that ends with the machine. */
  add(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    this.fibers.push(fiber)
    fiber.addObserver((exit) => {
      // What a program of before a crash has to say, nobody hears.
      if (!this.fibers.includes(fiber)) return
      this.fibers = this.fibers.filter((other) => other !== fiber)
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) this.failure = Cause.pretty(exit.cause)
    })
  }

  /**
   * A machine that has crashed does not sleep: it is awake when it is back. `countsSleep`: its monotonic clock goes on
   * meanwhile, and otherwise stands.
   */
  fallAsleep(base: Clock.Clock, countsSleep: boolean): void {
    if (!this.boot.isUp || this.isAsleep) return
    this.isAsleep = true
    this.awake.unsafeClose()
    if (!countsSleep) this.stoppedAt = this.monotonic(base)
  }

  wake(base: Clock.Clock): void {
    this.isAsleep = false
    if (this.stoppedAt !== undefined) this.notCounted = base.unsafeCurrentTimeNanos() - this.stoppedAt
    this.stoppedAt = undefined
    this.awake.unsafeOpen()
  }

  /** It stops where it is. Its fibers end, but nothing that they do then reaches anybody. */
  crash(base: Clock.Clock): void {
    this.boot.isUp = false
    this.wake(base)
    for (const fiber of this.fibers) fiber.unsafeInterruptAsFork(FiberId.none)
    this.fibers = []
  }

  start(): void {
    this.failure = undefined
    this.boot = { isUp: true }
  }

  /** Its system clock is set forward by so many milliseconds, or back. */
  stepClock(millis: number): void {
    this.clockStep += millis
  }

  private monotonic(base: Clock.Clock): bigint {
    return this.stoppedAt ?? base.unsafeCurrentTimeNanos() - this.notCounted
  }

  /** As long as the machine's monotonic clock takes for it: what is due while the machine sleeps happens when it wakes. */
  private sleep(base: Clock.Clock, duration: Duration.Duration): Effect.Effect<void> {
    if (!Duration.isFinite(duration)) return base.sleep(duration)
    return Effect.suspend(() => {
      const until = this.monotonic(base) + Duration.unsafeToNanos(duration)
      const rest: Effect.Effect<void> = Effect.suspend(() => {
        if (this.isAsleep) return Effect.zipRight(this.awake.await, rest)
        const left = until - this.monotonic(base)
        return left > 0n ? Effect.zipRight(base.sleep(Duration.nanos(left)), rest) : Effect.void
      })
      return Effect.zipRight(base.sleep(duration), rest)
    })
  }

  /** This clock, but its wall time is the machine's, and its monotonic time, too. */
  clock(base: Clock.Clock): Clock.Clock {
    this.hasClock = true
    return {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + this.clockStep,
      unsafeCurrentTimeNanos: () => this.monotonic(base),
      currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + this.clockStep),
      currentTimeNanos: Effect.map(base.currentTimeNanos, (now) => this.stoppedAt ?? now - this.notCounted),
      sleep: (duration: Duration.Duration) => this.sleep(base, duration)
    }
  }
}
