/** Effects of one name run one after the other, in the order in which they were asked for. */
import * as Effect from "effect/Effect"

interface Entry {
  readonly lock: Effect.Semaphore
  users: number
}

export class KeyedQueue {
  private readonly entries = new Map<string, Entry>()

  inTurn<A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const entry = this.entries.get(name) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        this.entries.set(name, entry)
        entry.users++
        return entry
      }),
      ({ lock }) => lock.withPermits(1)(effect),
      (entry) =>
        Effect.sync(() => {
          if (--entry.users === 0) this.entries.delete(name)
        })
    )
  }
}
