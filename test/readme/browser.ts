import { Effect, Stream } from "effect"
import { Client, ClientStatus, Messages } from "holdfast"
import { BrowserClient } from "holdfast/browser"

const show = (text: string) => Effect.sync(() => document.body.append(text, document.createElement("br")))

const program = Effect.gen(function* () {
  const client = yield* Client.make({ url: "ws://127.0.0.1:8081/", messages: Messages.json, token: "ann" })

  const statusOf = (status: ClientStatus.Status) =>
    status._tag === "Waiting" ? `${status.reason.message}; again in ${status.delay} ms` : status._tag
  yield* Effect.fork(Stream.runForEach(client.changes, (status) => show(statusOf(status))))

  yield* client.send({ hello: "world" })
  yield* Stream.runForEach(client.messages, (message) => show(JSON.stringify(message)))
  // They end without an error when the client does, for whatever reason: it was closed, or not let in.
  yield* show(ClientStatus.describeEnd(yield* client.ended))
}).pipe(Effect.scoped, Effect.provide(BrowserClient.layer({ keepSession: { key: "ann" } })))

Effect.runFork(program)
