/** Holdfast with its defaults: sessions, acknowledgements, heartbeats, deadlines. */
import { Effect, Layer, Schema } from "effect"
import { Broker, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import { heartbeatInterval, serve } from "./serve.mjs"

const { SessionStore: Store } = SessionStore

/** A Layer over the store that passes on what it is asked, as one that logs or counts does: both ways of asking. */
const layerOver = (store) => {
  const passed = (asked) => {
    const { immediate } = asked
    return Object.assign((...args) => asked(...args), { immediate: immediate && ((...args) => immediate(...args)) })
  }
  const { acknowledge, append, attach, confirm, create } = store
  const operations = Object.entries({ acknowledge, append, attach, confirm, create })
  return { ...store, ...Object.fromEntries(operations.map(([name, asked]) => [name, passed(asked)])) }
}

const LayeredStore = Layer.effect(Store, Effect.map(Store, layerOver)).pipe(Layer.provide(SessionStore.layerMemory()))

const listen = (options = {}, store = SessionStore.layerMemory()) =>
  new Promise((resume, reject) => {
    Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        Effect.gen(function* () {
          yield* session.send(message)
        }),
      ...options
    })
      .pipe(
        Effect.tap((gateway) => Effect.sync(() => resume(Number(new URL(gateway.address).port)))),
        Effect.zipRight(Effect.never),
        Effect.scoped,
        Effect.provide(Layer.mergeAll(NodeListener.layer({ port: 0, host: "127.0.0.1" }), store, Broker.layerMemory())),
        Effect.runPromise
      )
      .catch(reject)
  })

const topic = Topic.make("bench", Schema.String)

await serve({
  echo: () => listen(),
  echoByLayer: () => listen({}, LayeredStore),
  echoBySend: () => listen({ onMessage: (message, session) => session.send(message) }),
  heartbeat: () => listen({ heartbeatInterval, readDeadline: 5 * heartbeatInterval }),
  topic: () => listen({ topics: [Gateway.topic(topic, { subscribe: Gateway.allow, publish: Gateway.allow })] })
})
