import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Broker, Client, ConnectionError, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"

// Declared once, for both ends.
const Room = Topic.make("rooms/:room", Schema.Struct({ from: Schema.String, text: Schema.String }))

const program = Effect.gen(function* () {
  const gateway = yield* Gateway.make({
    messages: Messages.json,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "somebody" }),
    onMessage: () => Effect.void,
    topics: [
      Gateway.topic(Room, {
        subscribe: ({ room }, { principal }) =>
          room === "staff" && principal.id !== "ann"
            ? new ConnectionError.NotAllowed({ reason: "staff only" })
            : Effect.void,
        publish: Gateway.allow, // default: the server alone publishes
        presence: true, // default: nobody is told who is there
        policy: "disconnect", // for a slow subscriber; "dropOldest" and "latest" may skip
        history: { messages: 1000, age: "5 minutes" }
      })
    ]
  })
  const client = yield* Client.make({ url: gateway.address, messages: Messages.json, token: "ann" })
  const lobby = Room.at({ room: "lobby" })

  yield* client.publish(lobby, { from: "ann", text: "hello" }) // published once, whatever happens to the connection
  yield* gateway.publish(lobby, { from: "the server", text: "welcome" })
  yield* client.subscribe(lobby, { since: "oldest" }).pipe(
    Stream.filter(Client.hasValue), // leaves out what is larger than this client's `maxMessage`
    Stream.take(2),
    Stream.runForEach(({ position, value }) => Console.log(position.offset, value.from, value.text))
  )
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(NodeListener.layer({ port: 0 }), NodeDialer.layer, SessionStore.layerMemory(), Broker.layerMemory())
  )
)

NodeRuntime.runMain(program)
