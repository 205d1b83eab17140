/**
 * One timer for the delayed acknowledgements of many sessions: a fiber that
 * sleeps while any is due, instead of a timer for each message.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

export interface Acknowledging {
  readonly sendAck: () => void
}

export interface AckTimer {
  /** Has the session acknowledge after the delay, at the latest. */
  readonly add: (session: Acknowledging) => void
}

/** `delay` is in milliseconds; the fiber lives in the scope. */
export const make = (delay: number): Effect.Effect<AckTimer, never, Scope.Scope> =>
  Effect.map(Effect.all([Effect.runtime<never>(), Effect.scope]), ([runtime, scope]) => {
    const runFork = Runtime.runFork(runtime)
    let due = new Set<Acknowledging>()
    const flush = Effect.sync(() => {
      const sessions = due
      due = new Set()
      for (const session of sessions) session.sendAck()
    })
    const later = Effect.zipRight(Effect.sleep(delay), flush)
    return {
      add: (session) => {
        const isRunning = due.size > 0
        due.add(session)
        if (!isRunning) runFork(later, { scope })
      }
    }
  })
