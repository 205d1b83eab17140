/**
 * The sessions that a node holds, and whose lease it renews for as long as it
 * does: what it does not renew any more is nobody's. Where a renewal finds that
 * a session is another's by now, or has mail, what tells of it at once was lost.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { Outage } from "../../../connection/outage.js"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"

interface Held {
  readonly generation: number
  readonly principal: string
  /** The time of the monotonic clock at which the lease was last asked for. */
  renewed: number
}

/** How many renewals are asked for at a time. */
const batch = 500

export class SessionLeases {
  private readonly held = new Map<string, Held>()
  private readonly outage = new Outage()

  constructor(
    /** Milliseconds between two renewals. */
    private readonly interval: number,
    private readonly now: () => number,
    private readonly renew: (id: string, held: Held) => Effect.Effect<void, StoreUnavailable>
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

  /** Renews what is due, some at a time. One that fails is due again in a while. */
  get renewDue(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.now() - this.interval
      const due = [...this.held].filter(([, { renewed }]) => renewed <= before)
      return Effect.forEach(Chunk.chunksOf(Chunk.unsafeFromArray(due), batch), (some) => this.renewAll(some), {
        discard: true
      })
    })
  }

  private renewAll(some: Iterable<readonly [id: string, held: Held]>): Effect.Effect<void> {
    return Effect.forEach(
      some,
      ([id, held]) =>
        Effect.suspend(() => {
          const { renewed } = held
          // Whoever has doubted it meanwhile wants it to be looked at once more.
          const note = (at: number) => {
            if (held.renewed === renewed) held.renewed = at
          }
          const asked = Effect.matchEffect(this.renew(id, held), {
            onFailure: (error) => {
              note(this.now() - 0.9 * this.interval)
              return this.outage.failed(error)
            },
            onSuccess: () => Effect.sync(() => note(this.now()))
          })
          return this.outage.while(asked)
        }),
      { concurrency: "unbounded", discard: true }
    )
  }
}
