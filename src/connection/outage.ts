/**
 * Operations that ask a service again for as long as it is away, and what the log says of them: a line at the first
 * failure, and at most one every half a minute, for however many there are.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import { monotonicNow } from "./clocks.js"

/** A service that is away is asked again after 100 ms, doubling, at most 5 s. */
export const serviceRetry = Schedule.union(Schedule.exponential("100 millis"), Schedule.spaced("5 seconds"))

/** The failure of a service that is away. */
export interface Away<Tag extends string> {
  readonly _tag: Tag
  readonly message: string
}

/** Milliseconds between two lines. */
const interval = 30_000

export class Outage {
  /** `fate` says what becomes of those that wait. */
  constructor(private readonly fate = "asked again until it is done") {}

  private waiting = 0
  private saidAt: number | undefined

  /** Runs what asks again and again. */
  while<A, E, R>(asking: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.waiting++),
      () => asking,
      () => Effect.sync(() => this.waiting--)
    )
  }

  /**
   * Asks again for as long as it fails with this tag, which says that the service is away. What succeeds at once, as with a
   * service in memory, is charged for nothing more.
   */
  retry<A, E, R, const Tag extends string>(
    operation: Effect.Effect<A, E, R>,
    tag: Tag,
    schedule: Schedule.Schedule<unknown> = serviceRetry
  ): Effect.Effect<A, Exclude<E, Away<Tag>>, R> {
    const isAway = (error: E): error is E & Away<Tag> => Predicate.isTagged(error, tag)
    return Effect.catchAll(operation, (first) => this.askAgain(operation, first, isAway, schedule)) as Effect.Effect<
      A,
      Exclude<E, Away<Tag>>,
      R
    > // what is retried for ever does not fail
  }

  /** The same, of an operation that has failed once, with `first`. */
  askAgain<A, E, R>(
    operation: Effect.Effect<A, E, R>,
    first: E,
    isAway: (error: E) => error is E & Away<string>,
    schedule: Schedule.Schedule<unknown> = serviceRetry
  ): Effect.Effect<A, E, R> {
    if (!isAway(first)) return Effect.fail(first)
    // The first failure is the first that the schedule hears of.
    let attempt: Effect.Effect<A, E, R> = Effect.fail(first)
    const next = Effect.suspend(() => {
      const now = attempt
      attempt = operation
      return now
    })
    const noted = Effect.tapError(next, (error) => (isAway(error) ? this.failed(error) : Effect.void))
    return this.while(Effect.retry(noted, { schedule, while: isAway }))
  }

  /** It failed once more. */
  failed({ message }: { readonly message: string }): Effect.Effect<void> {
    return Effect.flatMap(monotonicNow, (now) => {
      if (this.saidAt !== undefined && now - this.saidAt < interval) return Effect.void
      this.saidAt = now
      const who = this.waiting > 1 ? `${this.waiting} operations wait` : "an operation waits"
      return Effect.logWarning(`holdfast: ${message}: ${who}; ${this.fate}`)
    })
  }
}
