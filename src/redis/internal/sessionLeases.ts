/**
 * The sessions that a node holds, and whose lease it renews for as long as it
 * does: what it does not renew any more is nobody's. Where a renewal finds that
 * a session is another's by now, or has mail, what tells of it at once was lost.
 */
import * as Effect from "effect/Effect"

interface Held {
  readonly generation: number
  readonly principal: string
  /** Milliseconds since the epoch at which the lease was last asked for. */
  renewed: number
}

/** How many renewals are asked for at a time. */
const batch = 500

export class SessionLeases {
  private readonly held = new Map<string, Held>()

  constructor(
    /** Milliseconds between two renewals. */
    private readonly interval: number,
    private readonly now: () => number,
    private readonly renew: (id: string, held: Held) => Effect.Effect<void, unknown>
  ) {}

  get size(): number {
    return this.held.size
  }

  hold(id: string, generation: number, principal: string): void {
    this.held.set(id, { generation, principal, renewed: this.now() })
  }

  /** This generation, if it is the one that is held, is held no more. */
  release(id: string, generation: number): void {
    if (this.held.get(id)?.generation === generation) this.held.delete(id)
  }

  /** Has all of them looked at soon: what tells of them was not heard for a while. */
  doubt(): void {
    for (const held of this.held.values()) held.renewed = Number.NEGATIVE_INFINITY
  }

  /** Renews what is due. One that fails is due still. */
  get renewDue(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.now() - this.interval
      const due = [...this.held].filter(([, { renewed }]) => renewed <= before).slice(0, batch)
      if (due.length === 0) return Effect.void
      let failed = 0
      const renewals = Effect.forEach(
        due,
        ([id, held]) =>
          Effect.match(this.renew(id, held), {
            onFailure: () => {
              failed++
            },
            onSuccess: () => {
              held.renewed = this.now()
            }
          }),
        { concurrency: "unbounded", discard: true }
      )
      // While Redis is away the rest would fail as well.
      return Effect.flatMap(renewals, () => (failed === 0 && due.length === batch ? this.renewDue : Effect.void))
    })
  }
}
