/** The readiness of a gateway for clients, told in a bounded time. */
import * as Effect from "effect/Effect"
import { NotReady } from "../protocol/ConnectionError.js"
import type { SessionStore } from "../session/SessionStore.js"
import type { Broker } from "../topic/Broker.js"

interface Gateway {
  readonly isDraining: () => boolean
  /** Milliseconds that the store, or the broker, may take. */
  readonly timeout: number
  readonly store: SessionStore["Type"]
  readonly topics: { readonly broker: Broker["Type"] } | undefined
}

const notReady = (what: string) => (error: { readonly cause: unknown }) =>
  new NotReady({ reason: `${what}: ${error.cause instanceof Error ? error.cause.message : error.cause}`, cause: error })

export const readiness = ({ isDraining, store, timeout, topics }: Gateway): Effect.Effect<void, NotReady> => {
  const asked = (what: string, ready: Effect.Effect<void, { readonly cause: unknown }>) =>
    Effect.timeoutFail(Effect.disconnect(Effect.mapError(ready, notReady(what))), {
      duration: timeout,
      onTimeout: () => new NotReady({ reason: `${what} has not answered within ${timeout} ms`, cause: undefined })
    })
  return Effect.suspend(() => {
    if (isDraining()) return Effect.fail(new NotReady({ reason: "the gateway drains", cause: undefined }))
    const stored = asked("the session store", store.ready)
    return topics === undefined ? stored : Effect.zipRight(stored, asked("the broker", topics.broker.ready))
  })
}
