import { Effect, Stream } from "effect"
import { Client, Messages } from "holdfast"
import { BrowserClient } from "holdfast/browser"

const program = Effect.gen(function* () {
  const client = yield* Client.make({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`,
    messages: Messages.json,
    token: "ann"
  })
  yield* Effect.fork(
    Stream.runForEach(client.changes, (status) => Effect.sync(() => document.body.setAttribute("class", status._tag)))
  )
  yield* client.send({ hello: "world" })
  yield* Stream.runForEach(client.messages, (message) =>
    Effect.sync(() => document.body.append(JSON.stringify(message)))
  )
}).pipe(Effect.scoped, Effect.provide(BrowserClient.layer({ keepSession: true })))

Effect.runFork(program)
