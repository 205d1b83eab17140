/** The delay of a client before its next attempt, and what ends a wait, or an attempt, early. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { AttemptError } from "../../protocol/ConnectionError.js"
import { monotonicNow, wallTimeNow } from "../clocks.js"
import type { Backoff } from "../Reconnect.js"
import type { Decision } from "./lifecycle.js"
import type { Waiting } from "./status.js"

/**
 * The least delay that a server may ask for, in milliseconds: a server that
 * always says "come back at once" must not make a loop of it (centrifuge-js #408).
 */
const leastRetryAfter = 100

/** An hour: a server that asks for more is taken at its word only so far. */
const mostRetryAfter = 3_600_000

/** The least time between two attempts that interruptions bring about, in milliseconds: they may come in storms. */
const leastBetween = 1000

/** It doubles with each attempt that they cut off, so that one succeeds on a slow way too, up to this. */
const mostBetween = 30_000

const within = (retryAfter: number): number => Math.min(mostRetryAfter, Math.max(leastRetryAfter, retryAfter))

interface Delay {
  readonly millis: number
  /** By the server's wish. */
  readonly isAsked: boolean
}

/** Opened when an attempt is called for: by the application, and by an interruption where that is heeded. */
interface Calls {
  readonly wake: Effect.Latch
  readonly awake: Effect.Latch | undefined
}

export class RetryDelay<R> {
  /** Made while a wait, or an attempt, can be ended early. */
  private calls: Calls | undefined
  private between = leastBetween
  /** Something has happened that no attempt has begun after. */
  private isUnheeded = false
  /** When an interruption has last brought about an attempt, on the monotonic clock. */
  private awokenAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly backoff: Backoff<R>,
    private readonly context: Context.Context<R>,
    private readonly show: (status: Omit<Waiting, "idleTimeout">) => void
  ) {}

  /**
   * The delay that the server asked for, or else the policy's next delay, and a part of `spread`: never none after a refusal.
   */
  delay(
    end: AttemptError,
    { goaway, isRefused, spread }: Pick<Extract<Decision, { _tag: "Retry" }>, "goaway" | "isRefused" | "spread">
  ): Effect.Effect<Option.Option<Delay>> {
    return Effect.gen(this, function* () {
      // A server that says when to come back has not failed.
      if (goaway !== undefined) return Option.some({ millis: within(goaway.retryAfter), isAsked: true })
      const next = yield* Effect.provide(this.backoff.next(end), this.context)
      const besides = spread === 0 ? 0 : Math.floor((yield* Random.next) * Math.min(spread, mostRetryAfter))
      return Option.map(next, (millis) =>
        end._tag === "DialRefused" && end.retryAfter !== undefined
          ? { millis: within(end.retryAfter), isAsked: true }
          : { millis: besides + (isRefused ? Math.max(leastRetryAfter, millis) : millis), isAsked: false }
      )
    })
  }

  wait(attempt: number, { isAsked, millis: delay }: Delay, reason: AttemptError): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const now = yield* wallTimeNow
      const called = this.called(!isAsked)
      this.show({ _tag: "Waiting", attempt, delay, until: now + delay, reason })
      if (this.isUnheeded) this.calls?.awake?.unsafeOpen()
      yield* Effect.raceFirst(Effect.sleep(delay), called)
      this.deafen()
    })
  }

  /** Opens a connection; `None` when another attempt is to be made instead, before this one has succeeded. */
  opening<A, E, R>(open: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> {
    return Effect.suspend(() => {
      this.isUnheeded = false
      const cut = Effect.flatMap(this.called(true), (by) => {
        // It has succeeded just now.
        if (this.calls === undefined) return Effect.never
        if (by === "Awake") this.between = Math.min(mostBetween, this.between * 2)
        return Effect.succeedNone
      })
      return Effect.ensuring(
        Effect.raceFirst(Effect.asSome(open), cut),
        Effect.sync(() => this.deafen())
      )
    })
  }

  /** Waits until an attempt is called for. */
  private called(byAwake: boolean): Effect.Effect<"Wake" | "Awake"> {
    const wake = Effect.unsafeMakeLatch()
    const awake = Effect.unsafeMakeLatch()
    this.calls = { wake, awake: byAwake ? awake : undefined }
    return Effect.raceFirst(
      Effect.as(wake.await, "Wake" as const),
      Effect.as(Effect.zipRight(awake.await, this.spaced), "Awake" as const)
    )
  }

  private deafen(): void {
    this.calls = undefined
  }

  /** The first interruption is heeded at once, what follows it a second later, or more where that cuts off attempts. */
  private readonly spaced: Effect.Effect<void> = Effect.gen(this, function* () {
    const left = this.awokenAt + this.between - (yield* monotonicNow)
    if (left > 0) yield* Effect.sleep(left)
    this.awokenAt = yield* monotonicNow
  })

  /** The application's wish: an attempt begins now. */
  readonly wake: Effect.Effect<void> = Effect.sync(() => this.calls?.wake.unsafeOpen())

  /**
   * The network or the machine is back, which changes nothing about what a server has asked for. An attempt that is under way
   * may wait for what was before: another takes its place.
   */
  awake(): void {
    this.isUnheeded = true
    this.calls?.awake?.unsafeOpen()
  }

  /** An attempt has succeeded: it is not cut off any more. */
  succeeded(): void {
    this.isUnheeded = false
    this.between = leastBetween
    this.deafen()
  }
}
