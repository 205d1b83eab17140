/** Holdfast with its defaults: sessions, acknowledgements, heartbeats, deadlines. */
import { Effect, Layer, Schema } from "effect"
import { Broker, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import { heartbeatInterval, serve } from "./serve.mjs"

const ServerLive = Layer.mergeAll(
  NodeListener.layer({ port: 0, host: "127.0.0.1" }),
  SessionStore.layerMemory(),
  Broker.layerMemory()
)

const listen = (options = {}) =>
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
        Effect.provide(ServerLive),
        Effect.runPromise
      )
      .catch(reject)
  })

const topic = Topic.make("bench", Schema.String)

await serve({
  echo: () => listen(),
  echoBySend: () => listen({ onMessage: (message, session) => session.send(message) }),
  heartbeat: () => listen({ heartbeatInterval, readDeadline: 5 * heartbeatInterval }),
  topic: () => listen({ topics: [Gateway.topic(topic, { subscribe: Gateway.allow, publish: Gateway.allow })] })
})
