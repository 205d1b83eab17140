/** What a page of Effect's has without Holdfast: a resource, a retry, a Schema, a Stream, over the page's own WebSocket. */
import { Console, Effect, Schedule, Schema, Stream } from "effect"

const Message = Schema.parseJson(Schema.Struct({ hello: Schema.String }))

const messages = Stream.asyncPush<string, Error>((emit) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = new WebSocket("wss://example.com/")
      socket.addEventListener("message", ({ data }) => emit.single(String(data)))
      socket.addEventListener("close", () => emit.fail(new Error("closed")))
      return socket
    }),
    (socket) => Effect.sync(() => socket.close())
  )
)

export const program = messages.pipe(
  Stream.mapEffect((text) => Schema.decode(Message)(text)),
  Stream.runForEach((message) => Console.log(message)),
  Effect.retry(Schedule.exponential("1 second").pipe(Schedule.jittered))
)

Effect.runFork(program)
