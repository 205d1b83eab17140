/**
 * A topic of which only the latest matters: 100 prices a second, a client that
 * follows them all, and one that takes half a second over each and still never
 * shows an old one.
 *
 *     npm run example:ticker
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Random, Schedule, Schema, Stream } from "effect"
import { Broker, Client, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"

const Price = Topic.make("prices/:symbol", Schema.Struct({ price: Schema.Number, at: Schema.Number }))
const effect = Price.at({ symbol: "EFCT" })

const follower = (name: string, url: string, pace: number) =>
  Effect.gen(function* () {
    const client = yield* Client.make({ url, messages: Messages.json })
    let seen = 0
    yield* client.subscribe(effect).pipe(
      Stream.filter(Client.hasValue),
      Stream.tap(({ skipped, value }) =>
        Effect.gen(function* () {
          // The fast one says something now and then.
          if (seen++ % (pace === 0 ? 100 : 1) !== 0) return
          const age = (yield* Clock.currentTimeMillis) - value.at
          yield* Console.log(`${name}: ${value.price.toFixed(2)}, ${age} ms old, ${skipped} skipped before it`)
        })
      ),
      Stream.tap(() => Effect.sleep(pace)),
      Stream.runDrain
    )
  })

const program = Effect.gen(function* () {
  const gateway = yield* Gateway.make({
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    onMessage: () => Effect.void,
    topics: [Gateway.topic(Price, { subscribe: Gateway.allow, policy: "latest" })]
  })
  let price = 100
  const tick = Effect.gen(function* () {
    price *= 1 + ((yield* Random.next) - 0.5) / 100
    yield* gateway.publish(effect, { price, at: yield* Clock.currentTimeMillis })
  })
  yield* Effect.fork(Effect.repeat(tick, Schedule.fixed("10 millis")))
  yield* Effect.fork(follower("fast", gateway.address, 0))
  yield* Effect.fork(follower("slow", gateway.address, 500))
  yield* Effect.sleep("5 seconds")
}).pipe(
  Effect.scoped,
  Effect.provide([NodeListener.layer({ port: 0 }), NodeDialer.layer, SessionStore.layerMemory(), Broker.layerMemory()])
)

NodeRuntime.runMain(program)
