/** Whether clients may be sent to a gateway. */
import * as Effect from "effect/Effect"
import type { Broker } from "../Broker.js"
import { NotReady } from "../ConnectionError.js"
import type { SessionStore } from "../SessionStore.js"

interface Gateway {
  readonly isDraining: () => boolean
  readonly store: SessionStore["Type"]
  readonly topics: { readonly broker: Broker["Type"] } | undefined
}

const notReady = (what: string) => (error: { readonly cause: unknown }) =>
  new NotReady({ reason: `${what}: ${error.cause instanceof Error ? error.cause.message : error.cause}`, cause: error })

export const readiness = ({ isDraining, store, topics }: Gateway): Effect.Effect<void, NotReady> =>
  Effect.suspend(() => {
    if (isDraining()) return Effect.fail(new NotReady({ reason: "the gateway drains", cause: undefined }))
    const stored = Effect.mapError(store.ready, notReady("the session store"))
    if (topics === undefined) return stored
    return Effect.zipRight(stored, Effect.mapError(topics.broker.ready, notReady("the broker")))
  })
