/** Sessions that are being created: they count already, and a disconnect must not miss them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import { bounded } from "../connection/bounded.js"
import type { Target } from "../session/SessionStore.js"
import { isTarget } from "./revocations.js"
import type { SessionLimits } from "./sessionQuota.js"

export interface Beginning {
  readonly principal: string
  id: string | undefined
  /** It lives here now, and is counted as such. */
  registered: boolean
  /** Whether a disconnect had it removed from the store: 0 or 1. */
  removed: number
  /** Made when somebody waits. */
  settled: Deferred.Deferred<number> | undefined
}

export class Beginnings {
  private readonly current = new Set<Beginning>()

  constructor(
    private readonly limits: SessionLimits,
    private readonly timeout: number
  ) {}

  enter(principal: string): Beginning {
    this.limits.enter(principal)
    const beginning: Beginning = { principal, id: undefined, registered: false, removed: 0, settled: undefined }
    this.current.add(beginning)
    return beginning
  }

  leave(beginning: Beginning): void {
    this.current.delete(beginning)
    if (!beginning.registered) this.limits.leave(beginning.principal)
    if (beginning.settled !== undefined) Deferred.unsafeDone(beginning.settled, Effect.succeed(beginning.removed))
  }

  /** Of each session of a target that was disconnected: how many of it were in the store to be removed, 0 or 1. */
  removals(target: Target): ReadonlyArray<Effect.Effect<number>> {
    return [...this.current]
      .filter(({ id, principal }) => isTarget(target, principal, id))
      .map((beginning) => {
        beginning.settled ??= Deferred.unsafeMake<number>(FiberId.none)
        const settled = bounded(Deferred.await(beginning.settled), this.timeout)
        return Effect.map(
          settled,
          Option.getOrElse(() => 0)
        )
      })
  }
}
