/**
 * The write deadline: what the network does not take in time ends the connection.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { WriteDeadlineExceeded } from "../protocol/ConnectionError.js"
import { monotonic, toWallTime } from "./clocks.js"

/**
 * Remembers when bytes that are still waiting were written, as positions in
 * the stream of bytes. One mark for each millisecond in which something was
 * left waiting: at most `deadline` of them, and none on a healthy connection.
 *
 * @since 0.1.0
 * @category models
 */
export class Backlog {
  private marks: Array<{ readonly at: number; readonly until: number }> = []

  /** Notes at `at`, in milliseconds of the monotonic clock, that the bytes up to position `until` are waiting. */
  note(at: number, until: number): void {
    const last = this.marks[this.marks.length - 1]
    if (last !== undefined && (last.until >= until || last.at === at)) {
      if (last.until < until) this.marks[this.marks.length - 1] = { at, until }
      return
    }
    this.marks.push({ at, until })
  }

  /** When the oldest bytes after position `taken` were written, if any wait. */
  since(taken: number): number | undefined {
    let done = 0
    for (const mark of this.marks) {
      if (mark.until > taken) break
      done++
    }
    if (done > 0) this.marks = this.marks.slice(done)
    return this.marks[0]?.at
  }
}

/**
 * Ends when nothing waits any more; fails at exactly `deadline` milliseconds
 * after the write of bytes that still wait. Run it as a supervised fiber while
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
    const since = backlog.since(taken())
    if (since === undefined) return Effect.void
    const left = since + deadline - monotonic(clock)
    return left > 0
      ? Effect.zipRight(Effect.sleep(left), look)
      : Effect.fail(new WriteDeadlineExceeded({ since: toWallTime(clock, since), deadline }))
  })
  return look
}
