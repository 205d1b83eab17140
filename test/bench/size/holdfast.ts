import { Console, Effect, Stream } from "effect"
import { Client, Messages } from "holdfast"
import { BrowserDialer } from "holdfast/browser"

export const program = Effect.gen(function* () {
  const client = yield* Client.make({ url: "wss://example.com/", messages: Messages.json })
  yield* client.send({ hello: "world" })
  yield* Stream.runForEach(client.messages, (message) => Console.log(message))
}).pipe(Effect.scoped, Effect.provide(BrowserDialer.layer))

Effect.runFork(program)
