/** Sessions that are being created: they count already, and a disconnect must not miss them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import { bounded } from "../connection/bounded.js"
import { releasing } from "../connection/syncEffect.js"
import type { Target } from "../session/SessionStore.js"
import type { SessionQuota } from "./quota/sessionQuota.js"
import { isTarget } from "./revocations.js"

export interface PendingSession {
  readonly principal: string
  id: string | undefined
  /** It lives here now, and is counted as such. */
  registered: boolean
  /** 1 when a disconnect had it removed from the store, else 0. */
  removed: number
  /** Made when somebody waits. */
  settled: Deferred.Deferred<number> | undefined
}

export class PendingSessions {
  private readonly current = new Set<PendingSession>()

  constructor(
    private readonly quota: SessionQuota,
    private readonly timeout: number
  ) {}

  /** Counts one of this principal while it is being created. */
  during<E>(principal: string, create: (pending: PendingSession) => Effect.Effect<void, E>): Effect.Effect<void, E> {
    const pending = this.enter(principal)
    return releasing(
      () => create(pending),
      () => this.leave(pending)
    )
  }

  private enter(principal: string): PendingSession {
    this.quota.enter(principal)
    const pending: PendingSession = { principal, id: undefined, registered: false, removed: 0, settled: undefined }
    this.current.add(pending)
    return pending
  }

  private leave(pending: PendingSession): void {
    this.current.delete(pending)
    if (!pending.registered) this.quota.leave(pending.principal)
    if (pending.settled !== undefined) Deferred.unsafeDone(pending.settled, Effect.succeed(pending.removed))
  }

  /** Of each session of a target that was disconnected: how many of it were in the store to be removed, 0 or 1. */
  removals(target: Target): ReadonlyArray<Effect.Effect<number>> {
    return [...this.current]
      .filter(({ id, principal }) => isTarget(target, principal, id))
      .map((pending) => {
        pending.settled ??= Deferred.unsafeMake<number>(FiberId.none)
        const settled = bounded(Deferred.await(pending.settled), this.timeout)
        return Effect.map(
          settled,
          Option.getOrElse(() => 0)
        )
      })
  }
}
