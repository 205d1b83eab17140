import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema, Stream } from "effect"
import { Connection, Messages } from "holdfast"
import { NodeDialer } from "holdfast/node"

const messages = Messages.make({
  client: Schema.Struct({ subscribe: Schema.String }),
  server: Schema.Struct({ symbol: Schema.String, price: Schema.Number })
})

const program = Effect.gen(function* () {
  const feed = yield* Connection.keep({
    url: "ws://127.0.0.1:9000/feed",
    messages, // JSON by Schema; without it, frames as they are
    onConnect: ({ send }) => send({ subscribe: "EURUSD" }) // on each new connection, before it is Ready
  })
  yield* Effect.fork(Stream.runForEach(feed.changes, (status) => Console.log(status._tag)))
  yield* Stream.runForEach(feed.messages, ({ price, symbol }) => Console.log(symbol, price))
}).pipe(Effect.scoped, Effect.provide(NodeDialer.layer))

NodeRuntime.runMain(program)
