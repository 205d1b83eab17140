/**
 * Something that one fiber at a time has. An interruption takes a moment to get
 * through to the fiber that holds it, and the end of that one may take longer:
 * who comes meanwhile, as when a component is unmounted and mounted in one tick,
 * is not told that it is taken.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { bounded } from "./bounded.js"

/**
 * Rounds of the scheduler in which an interruption gets through where time stands still, as it does under a TestClock. Elsewhere
 * a timer of 0 ms comes after them: the fibers of this tick, and those that they wake, run before any timer does.
 */
const rounds = 64

type Holder = Fiber.RuntimeFiber<unknown, unknown>

const isInterrupted = (fiber: Holder): boolean => !Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause))

/** Every session has one: what it does is made when somebody does it. */
export class Claim {
  private holder: Holder | undefined
  /** Made when somebody waits, and opened once. */
  private whenDropped: Effect.Latch | undefined

  get isTaken(): boolean {
    return this.holder !== undefined
  }

  take(holder: Holder): void {
    this.holder = holder
  }

  drop(): void {
    this.holder = undefined
    const { whenDropped } = this
    this.whenDropped = undefined
    whenDropped?.unsafeOpen()
  }

  private get dropped(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isTaken) return Effect.void
      this.whenDropped ??= Effect.unsafeMakeLatch()
      return this.whenDropped.await
    })
  }

  /** Tells whether it is let go of by one who is being interrupted just now, within so many milliseconds. Who keeps it is not waited for. */
  isLeft(patience: number): Effect.Effect<boolean> {
    return Effect.gen(this, function* () {
      for (let round = 0; round < rounds && this.isTaken; round++) yield* Effect.yieldNow()
      if (this.isTaken) yield* bounded(this.dropped, 0)
      if (this.holder === undefined) return true
      return isInterrupted(this.holder) && Option.isSome(yield* bounded(this.dropped, patience))
    })
  }

  /** Has it until the scope closes, as soon as nobody else does. */
  get scoped(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(
        this.acquired(restore),
        Effect.addFinalizer(() => this.dropping)
      )
    )
  }

  /** Has it while an effect runs, as soon as nobody else does. */
  during<A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(this.acquired(restore), Effect.ensuring(restore(use), this.dropping))
    )
  }

  private get dropping(): Effect.Effect<void> {
    return Effect.sync(() => this.drop())
  }

  private acquired(restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<void> {
    return Effect.withFiberRuntime((fiber) => {
      if (this.isTaken) return Effect.zipRight(restore(this.dropped), this.acquired(restore))
      this.take(fiber)
      return Effect.void
    })
  }
}
