/**
 * The commands that Redis has not answered: each is given up after `timeout`,
 * at the next look. The client's own timers begin only when a command is
 * written, which a pipeline before it may hold up.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Pending {
  readonly until: number
  readonly giveUp: () => void
}

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

export class CommandTimeouts {
  /** In the order in which they are to be given up. */
  private readonly pending = new Set<Pending>()

  constructor(
    private readonly timeout: number,
    private readonly now: () => number
  ) {}

  ask<A>(evaluate: () => Promise<A>): Effect.Effect<A, Error> {
    return Effect.async((resume) => {
      const giveUp = () => resume(Effect.fail(new Error(`Redis has not answered within ${this.timeout} ms`)))
      const pending = { until: this.now() + this.timeout, giveUp }
      this.pending.add(pending)
      const settle = (outcome: Effect.Effect<A, Error>) => {
        this.pending.delete(pending)
        resume(outcome)
      }
      const failed = (error: unknown) => settle(Effect.fail(asError(error)))
      // The client throws at once where no node is known for a slot.
      try {
        evaluate().then((a) => settle(Effect.succeed(a)), failed)
      } catch (error) {
        failed(error)
      }
    })
  }

  /** Gives up what is late, from time to time. */
  get watch(): Effect.Effect<never> {
    const look = Effect.sync(() => {
      for (const pending of this.pending) {
        if (pending.until > this.now()) return
        this.pending.delete(pending)
        pending.giveUp()
      }
    })
    return Effect.forever(Effect.zipRight(Effect.sleep(Duration.millis(Math.max(1, this.timeout / 8))), look))
  }
}
