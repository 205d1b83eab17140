import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { ConnectionError, Gateway, Messages, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"

class Echo extends Gateway.Tag<Echo>()("Echo", Messages.json) {}

const EchoLive = Gateway.layer(Echo, {
  authenticate: ({ token }) =>
    token === undefined
      ? new ConnectionError.NotAuthenticated({ reason: "a token is needed" })
      : Effect.succeed({ id: token }),
  onMessage: (message, session) => session.send(message)
})

const Main = Layer.effectDiscard(Effect.flatMap(Echo, ({ address }) => Console.log(address))).pipe(
  Layer.provide(EchoLive),
  Layer.provide(SessionStore.layerMemory()),
  Layer.provide(NodeListener.layer({ port: 8081 }))
)

NodeRuntime.runMain(Layer.launch(Main))
