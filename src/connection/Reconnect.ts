/**
 * When to try again: capped exponential backoff, and how far along it we are.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as ScheduleIntervals from "effect/ScheduleIntervals"
import { type AttemptError, InvalidOption } from "../protocol/ConnectionError.js"
import { monotonicNow } from "./clocks.js"

/**
 * A schedule of delays between attempts. It is given the end of each attempt;
 * when it is done, the client gives up.
 *
 * @since 0.1.0
 * @category models
 */
export type Policy<R = never> = Schedule.Schedule<unknown, AttemptError, R>

/**
 * 1 s, doubling, at most 30 s: jittered by ±20% and *then* clamped, so never
 * above `max`. Both the exponential and the jittered delay are clamped: an
 * unclamped exponential reaches Infinity after some 1000 attempts.
 *
 * It takes any error, so that `Effect.retry(Connection.dial(url), Reconnect.exponential())` does as well.
 *
 * Where `base` or `max` is no duration of at least 1 ms, or `factor` is below 1 (with a delay of zero a retry would be a loop),
 * `Client.make` and `Connection.keep` fail with `InvalidOption`; what else uses the schedule dies of it at the first step.
 *
 * @since 0.1.0
 * @category policies
 */
export const exponential = (options?: {
  readonly base?: Duration.DurationInput | undefined
  readonly factor?: number | undefined
  readonly max?: Duration.DurationInput | undefined
  /** Default true. */
  readonly jitter?: boolean | undefined
}): Schedule.Schedule<unknown> => {
  const { base = "1 second", factor = 2, jitter = true, max = "30 seconds" } = options ?? {}
  const found = Either.all([positive("base", base), positive("max", max), growing(factor)])
  if (Either.isLeft(found)) return refused(found.left)
  const [first, most, growth] = found.right
  const clamp = Schedule.modifyDelay((_: unknown, delay: Duration.DurationInput) => Duration.min(delay, most))
  const capped = clamp(Schedule.exponential(first, growth))
  return jitter ? clamp(Schedule.jittered(capped)) : capped
}

const positive = (option: string, value: Duration.DurationInput): Either.Either<Duration.Duration, InvalidOption> => {
  const decoded = Duration.decodeUnknown(value)
  if (Option.isSome(decoded) && Duration.greaterThanOrEqualTo(decoded.value, 1)) return Either.right(decoded.value)
  const rule = 'a duration of at least 1 ms, such as "1 second"'
  const shown = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value))
  return Either.left(new InvalidOption({ option, value: shown, rule }))
}

const growing = (factor: number): Either.Either<number, InvalidOption> =>
  factor >= 1 && Number.isFinite(factor)
    ? Either.right(factor)
    : Either.left(new InvalidOption({ option: "factor", value: String(factor), rule: "a number of at least 1" }))

const refusal: unique symbol = Symbol("holdfast/Reconnect/refusal")

/** A schedule has no error of its own: who can fail looks for this. */
const refused = (error: InvalidOption): Schedule.Schedule<unknown> =>
  Object.assign(
    Schedule.makeWithState(undefined, () => Effect.die(error)),
    { [refusal]: error }
  )

const refusalOf = (policy: Policy<never> | Policy<unknown>): InvalidOption | undefined =>
  refusal in policy && policy[refusal] instanceof InvalidOption ? policy[refusal] : undefined

/**
 * A policy in use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backoff<R = never> {
  /** The delay before the next attempt in milliseconds; `None` when the policy gives up. */
  readonly next: (end: AttemptError) => Effect.Effect<Option.Option<number>, never, R>
  /** Starts over. The client calls it when a connection was Ready for `stableAfter`. */
  readonly reset: Effect.Effect<void>
}

/**
 * `Schedule.driver` sleeps by itself; this one tells the delay, so that it can
 * be shown, overridden by the server, and cut short.
 *
 * @since 0.1.0
 * @category constructors
 */
export const backoff = <R>(policy: Policy<R>): Effect.Effect<Backoff<R>, InvalidOption> =>
  Effect.suspend(() => {
    const refused = refusalOf(policy)
    if (refused !== undefined) return Effect.fail(refused)
    let state: unknown = policy.initial
    return Effect.succeed<Backoff<R>>({
      next: (end) =>
        Effect.flatMap(monotonicNow, (now) =>
          Effect.map(policy.step(now, end, state), ([next, _, decision]) => {
            state = next
            return ScheduleDecision.isDone(decision)
              ? Option.none()
              : Option.some(Math.max(0, Math.round(ScheduleIntervals.start(decision.intervals) - now)))
          })
        ),
      reset: Effect.sync(() => {
        state = policy.initial
      })
    })
  })
