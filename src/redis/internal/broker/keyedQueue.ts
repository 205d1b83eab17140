/** Effects of one name run one after the other, in the order in which they were asked for. */
import * as Effect from "effect/Effect"

interface Row {
  readonly lock: Effect.Semaphore
  users: number
}

export class Rows {
  private readonly rows = new Map<string, Row>()

  inTurn<A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const row = this.rows.get(name) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        this.rows.set(name, row)
        row.users++
        return row
      }),
      ({ lock }) => lock.withPermits(1)(effect),
      (row) =>
        Effect.sync(() => {
          if (--row.users === 0) this.rows.delete(name)
        })
    )
  }
}
