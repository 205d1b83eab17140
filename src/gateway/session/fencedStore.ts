/**
 * A gateway's hold on a session in the store: its generation, and what to do
 * when an operation is fenced off or the store fails.
 */
import * as Effect from "effect/Effect"
import type { Outage } from "../../connection/outage.js"
import type { Fenced, StoreUnavailable } from "../../protocol/ConnectionError.js"

type Operation = (generation: number) => Effect.Effect<void, Fenced | StoreUnavailable>

const notDone = Effect.succeed("NotDone" as const)

/** The outcome of an operation: it was done, or it was not, or nobody knows because the store failed before. */
export type Outcome = void | "NotDone" | "InDoubt"

export class FencedStore {
  private lock: Effect.Semaphore | undefined
  /** How many hold the lock, or wait for it. */
  private users = 0
  /** While a takeover is under way, whose outcome decides whether this gateway is fenced: opened when that is known. */
  private attaching: Effect.Latch | undefined

  constructor(
    /** The generation that this gateway owns. */
    public generation: number,
    /** The session is over here. */
    private readonly ended: () => boolean,
    /** Another gateway has the session; or nobody, when it is gone. */
    private readonly lost: (gone: boolean) => void,
    /** The store answers again. */
    private readonly recovered: () => void,
    private readonly outage: Outage
  ) {}

  /** The session is over here. */
  get isOver(): boolean {
    return this.ended()
  }

  /** Runs a store operation as the owner, again for as long as the store fails and the session lives. */
  run(operation: Operation): Effect.Effect<Outcome> {
    return Effect.suspend(() => {
      const { generation } = this
      return Effect.catchAll(operation(generation), (error) =>
        error._tag === "Fenced" ? this.fenced(error, operation) : this.retry(operation, error)
      )
    })
  }

  private retry(operation: Operation, first: StoreUnavailable): Effect.Effect<Outcome> {
    return Effect.suspend(() => {
      const isAway = (error: Fenced | StoreUnavailable): error is StoreUnavailable =>
        error._tag === "StoreUnavailable" && !this.isOver
      const again = this.outage.askAgain(operation(this.generation), first, isAway)
      return Effect.matchEffect(again, {
        onSuccess: () => Effect.sync(() => this.recovered()),
        // An attempt whose answer was lost may have done it.
        onFailure: (error) =>
          error._tag === "Fenced"
            ? Effect.map(this.fenced(error, operation), (outcome) => (outcome === undefined ? outcome : "InDoubt"))
            : Effect.succeed<Outcome>("InDoubt")
      })
    })
  }

  /** A newer generation exists: this gateway's own, whose news is still on its way, or another's. */
  private fenced(error: Fenced, operation: Operation): Effect.Effect<Outcome> {
    return Effect.suspend((): Effect.Effect<Outcome> => {
      if (this.isOver) return notDone
      if (this.generation > error.generation) return this.run(operation)
      if (this.attaching !== undefined) return Effect.zipRight(this.attaching.await, this.fenced(error, operation))
      this.lost(error.gone)
      return notDone
    })
  }

  /**
   * Runs a takeover, one at a time, so that generations are learned in their
   * order. Until its outcome is known, being fenced proves nothing.
   */
  takeover<A, E>(attach: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const run = Effect.acquireUseRelease(
      Effect.sync(() => {
        const settled = Effect.unsafeMakeLatch()
        this.attaching = settled
        return settled
      }),
      () => attach,
      (settled) =>
        Effect.sync(() => {
          this.attaching = undefined
          settled.unsafeOpen()
        })
    )
    return this.exclusively(run)
  }

  /** Nothing runs exclusively now. */
  get isFree(): boolean {
    return this.users === 0
  }

  /** Runs one at a time with the others. */
  exclusively<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.users++
        this.lock ??= Effect.unsafeMakeSemaphore(1)
        return this.lock
      }),
      (lock) => lock.withPermits(1)(effect),
      () =>
        Effect.sync(() => {
          this.users--
        })
    )
  }
}
