/** A gateway with topics on a free port, for the tests over real sockets. */
import { Context, Effect, Layer, Schema } from "effect"
import { Broker, Gateway, SessionStore, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import { numbers } from "./support.js"

export const Counts = Topic.make("counts", Schema.Number)

type GatewayOptions = Gateway.GatewayOptions<number, number, Gateway.Principal, Broker.Broker>

/** What several gateways may share. */
export const shared = Layer.merge(SessionStore.layerMemory(), Broker.layerMemory())

/** A gateway with these topics, on the store and the broker that are provided. */
export const makeGateway = (options: Partial<GatewayOptions> & Pick<GatewayOptions, "topics">) =>
  Effect.gen(function* () {
    const listener = yield* Layer.build(NodeListener.layer({ port: 0 }))
    const gateway = yield* Gateway.make({
      messages: numbers,
      authenticate: Gateway.anonymous,
      onMessage: () => Effect.void,
      ...options
    }).pipe(Effect.provide(listener))
    return { gateway, port: Number(new URL(gateway.address).port) }
  })

/** The broker, and how many publications were read from its logs: by subscribers that missed them. */
export const countingBroker = Effect.gen(function* () {
  const broker = yield* Broker.makeMemory()
  const counted = { read: 0 }
  const service: typeof broker = {
    ...broker,
    history: (topic, options) =>
      Effect.tap(broker.history(topic, options), (log) => {
        if (log._tag === "Complete") counted.read += log.publications.length
        return Effect.void
      })
  }
  return { counted, context: Context.make(Broker.Broker, service) }
})
