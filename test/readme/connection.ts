import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Connection } from "holdfast"
import { NodeDialer } from "holdfast/node"

const program = Effect.gen(function* () {
  const connection = yield* Connection.dial("ws://127.0.0.1:9000/feed")
  yield* connection.send("subscribe")
  // Fails with the typed reason of the end: ReadDeadlineExceeded, ClosedByPeer { code }, ConnectionLost …
  yield* Stream.runForEach(connection.messages, (frame) => Console.log(frame))
}).pipe(Effect.scoped, Effect.provide(NodeDialer.layer))

NodeRuntime.runMain(program)
