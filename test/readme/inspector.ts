import { HttpRouter } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"
import { Gateway, Messages, SessionStore } from "holdfast"
import { Inspector, NodeListener } from "holdfast/node"

class Echo extends Gateway.Tag<Echo>()("Echo", Messages.json) {}

const EchoLive = Gateway.layer(Echo, {
  authenticate: Gateway.anonymous,
  onMessage: (message, session) => session.send(message)
})

const InspectorLive = Layer.unwrapEffect(
  Effect.map(Config.redacted("INSPECTOR_PASSWORD"), (password) => Inspector.layer(Echo, Inspector.basic(password)))
)

const Main = HttpRouter.Default.serve().pipe(
  Layer.provide(InspectorLive),
  Layer.provide(EchoLive),
  Layer.provide(SessionStore.layerMemory()),
  Layer.provide(NodeListener.layerHttp({ port: 8081, path: "/ws" }))
)

NodeRuntime.runMain(Layer.launch(Main))
