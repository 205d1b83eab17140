/**
 * The write deadline: what the network does not take in time ends the connection. Any byte that it takes moves the deadline.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { WriteDeadlineExceeded } from "../protocol/ConnectionError.js"
import { monotonic, toWallTime } from "./clocks.js"
import { deadlinesOf } from "./live/progress.js"

interface Mark {
  readonly at: number
  readonly from: number
  readonly until: number
}

/** A deadline that is met at `at` if nothing moves, and `millis` after `since`. */
interface Due {
  readonly at: number
  readonly since: number
  readonly millis: number
}

/**
 * Remembers when bytes that are still waiting were written, as positions in
 * the stream of bytes, and when some of them last left. One mark for each millisecond in which something was
 * left waiting, and none on a healthy connection.
 *
 * @since 0.1.0
 * @category models
 */
export class Backlog {
  private marks: Array<Mark> = []
  private taken = 0
  /** When bytes last left. */
  private movedAt = Number.NEGATIVE_INFINITY
  /** Since when all that is before the first mark has left. */
  private firstSince = 0

  /**
   * Notes at `at`, in milliseconds of the monotonic clock, that bytes up to position `until` were written, and that the network
   * has taken those up to `taken`.
   */
  note(at: number, until: number, taken: number): void {
    this.moved(at, taken)
    const last = this.marks[this.marks.length - 1]
    const from = last?.until ?? taken
    if (until <= from) return
    if (last?.at === at) this.marks[this.marks.length - 1] = { ...last, until }
    else this.marks.push({ at, from, until })
    if (last === undefined) this.firstSince = at
  }

  private moved(at: number, taken: number): void {
    if (taken <= this.taken) return
    this.taken = taken
    this.movedAt = at
    const left = this.marks.findIndex(({ until }) => until > taken)
    if (left === 0) return
    this.marks = left < 0 ? [] : this.marks.slice(left)
    this.firstSince = at
  }

  /** The deadline as it stands at `at`, if anything waits: the network has taken the bytes up to `taken`. */
  due(at: number, taken: number, deadline: number): Due | undefined {
    this.moved(at, taken)
    const first = this.marks[0]
    if (first === undefined) return undefined
    const since = Math.max(first.at, this.movedAt)
    const millis = deadline * deadlinesOf(first.until - first.from)
    return this.firstSince + millis < since + deadline
      ? { at: this.firstSince + millis, since: this.firstSince, millis }
      : { at: since + deadline, since, millis: deadline }
  }
}

/**
 * Ends when nothing waits any more; fails at exactly `deadline` milliseconds after bytes last left, or were written, while others
 * wait. What was written at once has, besides, one deadline in all for each 64 KiB. Run it as a supervised fiber while
 * there is a backlog.
 *
 * `taken` is the position up to which the network has taken the bytes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  backlog: Backlog,
  taken: () => number,
  deadline: number
): Effect.Effect<void, WriteDeadlineExceeded> => {
  const look: Effect.Effect<void, WriteDeadlineExceeded> = Effect.flatMap(Effect.clock, (clock) => {
    const now = monotonic(clock)
    const due = backlog.due(now, taken(), deadline)
    if (due === undefined) return Effect.void
    const { at, millis, since } = due
    return at > now
      ? Effect.zipRight(Effect.sleep(at - now), look)
      : Effect.fail(new WriteDeadlineExceeded({ since: toWallTime(clock, since), deadline: millis }))
  })
  return look
}
