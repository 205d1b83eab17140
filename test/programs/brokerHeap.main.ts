/** A gateway whose memory broker is filled, and a client beside it. Run by brokerHeap.test.ts in a process of its own. */
import { Effect, Layer, Stream } from "effect"
import { Broker, Client, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { answer } from "../node/answers.js"

export interface Plan {
  readonly letter: string
  readonly units: number
  readonly publications: number
}

const World = Layer.mergeAll(
  NodeDialer.layer,
  NodeListener.layer({ port: 0 }),
  SessionStore.layerMemory(),
  Broker.layerMemory()
)

/** Publishes each in a topic of its own; gives how many echoes the bystander had meanwhile. */
const fill = ({ letter, publications, units }: Plan) =>
  Effect.gen(function* () {
    const broker = yield* Broker.Broker
    const gateway = yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) => session.send(message)
    })
    const bystander = yield* Client.make({ url: gateway.address, messages: Messages.json })
    let echoes = 0
    yield* Effect.forkScoped(Stream.runForEach(bystander.messages, () => Effect.sync(() => void echoes++)))
    for (let i = 0; i < publications; i++) {
      yield* broker.publish(`rooms/${i}`, JSON.stringify(letter.repeat(units) + i))
      if (i % 20 === 19) yield* bystander.deliver(i)
    }
    const kept = yield* broker.history(`rooms/${publications - 1}`, { limit: 1 })
    return { echoes, kept: kept._tag === "Complete" ? kept.publications.length : kept.reason }
  }).pipe(Effect.scoped, Effect.provide(World))

answer({ fill })
