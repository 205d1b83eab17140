/** Says of a gateway that it lives, for as long as it does. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { bounded } from "../connection/bounded.js"
import type { StoreUnavailable } from "../protocol/ConnectionError.js"
import type { NodeInfo, SessionStore } from "../session/SessionStore.js"

interface Announced {
  readonly store: SessionStore["Type"]
  readonly node: () => NodeInfo
  /** The store has failed, and answers again: what it has said meanwhile may be lost. */
  readonly recovered: Effect.Effect<void>
  /** Milliseconds that its end may wait for the store. */
  readonly closeTimeout: number
}

/** At once, and then three times in each lease: two may fail before the gateway is taken for dead. */
export const announce = ({
  closeTimeout,
  node,
  recovered,
  store
}: Announced): Effect.Effect<void, never, Scope.Scope> => {
  let isOut = false
  const failed = (error: StoreUnavailable) => {
    if (isOut) return Effect.void
    isOut = true
    return Effect.logWarning(`holdfast: this gateway cannot say that it lives: ${error.message}`)
  }
  const succeeded = Effect.suspend(() => {
    if (!isOut) return Effect.void
    isOut = false
    return recovered
  })
  const once = Effect.matchEffect(
    Effect.suspend(() => store.announce(node())),
    { onFailure: failed, onSuccess: () => succeeded }
  )
  const turn = Effect.catchAllDefect(once, (defect) => Effect.logError("holdfast: announcing died", defect))
  const withdrawn = Effect.suspend(() => store.withdraw(node().id))
  // In the order of finalizers: it says nothing any more, and then it goes.
  return Effect.addFinalizer(() => Effect.ignore(bounded(withdrawn, closeTimeout))).pipe(
    Effect.zipRight(Effect.forkScoped(Effect.forever(Effect.zipRight(turn, Effect.sleep(store.lease / 3))))),
    Effect.asVoid
  )
}
