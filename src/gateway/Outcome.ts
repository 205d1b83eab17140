/**
 * The outcome of a message whose handler has failed: what `onFailure` says.
 *
 * @since 0.1.0
 */
import type * as Schedule from "effect/Schedule"

/**
 * The message is refused, and the session goes on: the client's `deliver` fails with `MessageRefused`, and its `events` tell of
 * it. It counts as processed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refuse {
  readonly _tag: "Refuse"
  readonly code: string
  readonly reason: string
}

/**
 * The session ends. `final`: its client ends with it (4410); otherwise it begins a new session at once (4411), and is told
 * `SessionLost` with the reason `ended`.
 *
 * @since 0.1.0
 * @category models
 */
export interface End {
  readonly _tag: "End"
  readonly reason: string
  readonly final: boolean
}

/**
 * The handler is run again with the same message, after each of the schedule's delays, and `otherwise` follows once that is
 * over. Meanwhile the message is not acknowledged, and what came after it waits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retry<in E = unknown, out R = never> {
  readonly _tag: "Retry"
  readonly schedule: Schedule.Schedule<unknown, E, R>
  readonly otherwise: Refuse | End
}

/**
 * What becomes of a message whose handler has failed, and of its session.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome<E = unknown, R = never> = Refuse | End | Retry<E, R>

/**
 * Refuses the message. `code` is for the client's program, and is sent cut to 64 bytes; `reason` is in words, and is sent as one
 * line of at most 200 bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse = (code: string, reason: string): Refuse => ({ _tag: "Refuse", code, reason })

/**
 * Ends the session, and its client with it where that is `final`. The client is told the reason, cut to 123 bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const end = (reason: string, { final }: { readonly final: boolean }): End => ({ _tag: "End", reason, final })

/**
 * Runs the handler again by a schedule that ends, and then does `otherwise`. All runs of one message share the first schedule
 * that is given for it. A gateway that drains does not wait for the next run: the message is handled where the session is
 * resumed.
 *
 * @example
 * ```ts
 * import { Schedule } from "effect"
 * import { Outcome } from "holdfast"
 *
 * const patiently = Outcome.retry(
 *   Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(5)),
 *   Outcome.refuse("unavailable", "the database is away: try again later")
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const retry = <E = unknown, R = never>(
  schedule: Schedule.Schedule<unknown, E, R>,
  otherwise: Refuse | End
): Retry<E, R> => ({ _tag: "Retry", schedule, otherwise })
