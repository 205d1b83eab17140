/**
 * Operations that ask a service again for as long as it is away, and what the log says of them: a line at the first
 * failure, and at most one every half a minute, for however many there are.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds between two lines. */
const interval = 30_000

export class Outage {
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

  /** It failed once more. */
  failed({ message }: { readonly message: string }): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (this.saidAt !== undefined && Math.abs(now - this.saidAt) < interval) return Effect.void
      this.saidAt = now
      const who = this.waiting > 1 ? `${this.waiting} operations wait` : "an operation waits"
      return Effect.logWarning(`holdfast: ${message}: ${who}; asked again until it is done`)
    })
  }
}
