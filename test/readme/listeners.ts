import { readFileSync } from "node:fs"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Gateway, Messages, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"

class Chat extends Gateway.Tag<Chat>()("Chat", Messages.json) {}
class Feed extends Gateway.Tag<Feed>()("Feed", Messages.json) {}

const options = { authenticate: Gateway.anonymous, onMessage: () => Effect.void }
const tls = { cert: readFileSync("server.pem"), key: readFileSync("server.key") }

const Main = Layer.merge(
  Gateway.layer(Chat, options).pipe(Layer.provide(NodeListener.layerPath("/chat"))),
  Gateway.layer(Feed, options).pipe(Layer.provide(NodeListener.layerPath("/feed")))
).pipe(Layer.provide([NodeListener.layerServer({ port: 8443, tls }), SessionStore.layerMemory()]))

NodeRuntime.runMain(Layer.launch(Main))
