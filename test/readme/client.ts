import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Client, Messages } from "holdfast"
import { NodeDialer } from "holdfast/node"

const program = Effect.gen(function* () {
  const client = yield* Client.make({ url: "ws://127.0.0.1:8081/", messages: Messages.json, token: "ann" })

  yield* Effect.fork(Stream.runForEach(client.changes, (status) => Console.log(status._tag)))
  yield* Effect.fork(Stream.runForEach(client.events, (event) => Console.log(event)))

  yield* client.send({ hello: "world" }) // accepted: it will arrive, once and in order, while the session lives
  yield* client.deliver({ hello: "again" }) // processed by the server's handler; or fails with NotSent or OutcomeUnknown
  yield* Stream.runForEach(client.messages, (message) => Console.log(message))
}).pipe(Effect.scoped, Effect.provide(NodeDialer.layer))

NodeRuntime.runMain(program)
