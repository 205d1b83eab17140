/** A machine of the network: it sleeps, it crashes, and another may take its place under the same name. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
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

  /** A machine that has crashed does not sleep: it is awake when it is back. */
  fallAsleep(): void {
    this.isAsleep = this.boot.isUp
    if (this.isAsleep) this.awake.unsafeClose()
  }

  wake(): void {
    this.isAsleep = false
    this.awake.unsafeOpen()
  }

  /** It stops where it is. Its fibers end, but nothing that they do then reaches anybody. */
  crash(): void {
    this.boot.isUp = false
    this.wake()
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

  /** This clock, but its wall time is the machine's, and what is due while the machine sleeps happens when it wakes. */
  clock(base: Clock.Clock): Clock.Clock {
    this.hasClock = true
    return {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + this.clockStep,
      unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos(),
      currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + this.clockStep),
      currentTimeNanos: base.currentTimeNanos,
      sleep: (duration: Duration.Duration) =>
        Effect.zipRight(
          base.sleep(duration),
          Effect.suspend(() => (this.isAsleep ? this.awake.await : Effect.void))
        )
    }
  }
}
