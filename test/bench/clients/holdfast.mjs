/** Holdfast's client with its defaults: a session, acknowledgements, heartbeats, deadlines. */
import { Effect } from "effect"
import { Client, Messages } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { converse } from "./converse.mjs"

await converse(
  (port, reply) =>
    new Promise((resume, reject) => {
      Effect.gen(function* () {
        const client = yield* Client.make({ url: `ws://127.0.0.1:${port}`, messages: Messages.json })
        yield* client.ready
        resume((text) => Effect.runFork(client.send(text)))
        yield* client.runForEach((text) =>
          Effect.gen(function* () {
            yield* client.send(reply(text))
          })
        )
      })
        .pipe(Effect.scoped, Effect.provide(NodeDialer.layer), Effect.runPromise)
        .catch(reject)
    })
)
