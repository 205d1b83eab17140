/** Holdfast with its defaults: sessions, acknowledgements, heartbeats, deadlines. */
import { Effect, Layer } from "effect"
import { Gateway, Messages, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { serve } from "./serve.mjs"

const ServerLive = Layer.merge(NodeListener.layer({ port: 0, host: "127.0.0.1" }), SessionStore.layerMemory())

const listen = (onMessage) =>
  new Promise((resume, reject) => {
    Gateway.make({ messages: Messages.json, authenticate: Gateway.anonymous, onMessage })
      .pipe(
        Effect.tap((gateway) => Effect.sync(() => resume(Number(new URL(gateway.address).port)))),
        Effect.zipRight(Effect.never),
        Effect.scoped,
        Effect.provide(ServerLive),
        Effect.runPromise
      )
      .catch(reject)
  })

await serve({
  echo: () => listen((message, session) => session.send(message))
})
