/**
 * An order tracker: customers place orders and follow their own, the kitchen moves them on. A client's token is ann, bob or
 * kitchen; GET / tells who follows ann's orders now. `PORT=8080 npm run example:orders`
 */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Data, Effect, Layer, Match, Schedule, Schema } from "effect"
import { Broker, ConnectionError, Gateway, Messages, Outcome, SessionStore, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"

const State = Schema.Literal("placed", "cooking", "ready")
const Order = Schema.Struct({ order: Schema.String, dish: Schema.String, state: State })
const Place = Schema.TaggedStruct("Place", { dish: Schema.String })
const Move = Schema.TaggedStruct("Move", { customer: Schema.String, ...Order.fields })
const Placed = Schema.TaggedStruct("Placed", { order: Schema.String })
export const messages = Messages.make({ client: Schema.Union(Place, Move), server: Placed })
export const Orders = Topic.make("orders/:customer", Order, { presence: Schema.String }) // a name

interface User extends Gateway.Principal {
  readonly name: string
  readonly role: "customer" | "kitchen"
}
const names = new Map(Object.entries({ ann: "Ann", bob: "Bob", kitchen: "Kim" }))
const menu = ["soup", "pasta", "cake"]

class NotPossible extends Data.TaggedError("NotPossible")<{ readonly code: string; readonly message: string }> {}
class Tracker extends Gateway.Tag<Tracker, User>()("examples/Orders", messages) {}

const TrackerLive = Gateway.layer(Tracker, {
  authenticate: ({ token = "" }) => {
    const name = names.get(token)
    if (name === undefined) return new ConnectionError.NotAuthenticated({ reason: "the token is nobody's" })
    return Effect.succeed<User>({ id: token, name, role: token === "kitchen" ? "kitchen" : "customer" })
  },
  onMessage: (asked, session, seq) => {
    const key = `${session.id}-${seq}` // the message's own: published once, however often it is handled
    const tell = (customer: string, order: typeof Order.Type) =>
      session.gateway.publish(Orders.at({ customer }), order, { key })
    return Match.valueTags(asked, {
      Place: ({ dish }) => {
        if (!menu.includes(dish)) return new NotPossible({ code: "not-on-the-menu", message: `there is no ${dish}` })
        const told = tell(session.principal.id, { order: key, dish, state: "placed" })
        return Effect.zipRight(told, session.send({ _tag: "Placed", order: key }))
      },
      Move: ({ customer, dish, order, state }) =>
        session.principal.role === "kitchen"
          ? Effect.asVoid(tell(customer, { order, dish, state }))
          : new NotPossible({ code: "not-allowed", message: "the kitchen moves orders on" })
    })
  },
  onFailure: (error) => {
    if (error._tag === "NotPossible") return Outcome.refuse(error.code, error.message)
    if (error._tag !== "BrokerUnavailable") return Outcome.refuse("failed", error.message)
    return Outcome.retry(
      Schedule.exponential("1 second").pipe(Schedule.upTo("1 minute")),
      Outcome.refuse("later", "try again")
    )
  },
  topics: (topic) => [
    topic(Orders, {
      presence: { data: (_, __, { principal }) => Effect.succeed(principal.name) },
      subscribe: ({ customer }, { principal: { id, role } }) =>
        role === "kitchen" || id === customer ? Effect.void : new ConnectionError.NotAllowed({ reason: "not yours" })
    })
  ]
})

const Routes = Effect.gen(function* () {
  const { address, members } = yield* Tracker
  yield* Console.log(`orders are taken at ${address}`)
  const here = Effect.flatMap(members(Orders.at({ customer: "ann" })), HttpServerResponse.json)
  return HttpServer.serve(HttpRouter.get(HttpRouter.empty, "/", here))
})
const Port = Config.withDefault(Config.integer("PORT"), 8080)
const Main = Layer.unwrapEffect(Routes).pipe(
  Layer.provide(TrackerLive),
  Layer.provide([SessionStore.layerMemory(), Broker.layerMemory()]),
  Layer.provide(Layer.unwrapEffect(Effect.map(Port, (port) => NodeListener.layerHttp({ port }))))
)
NodeRuntime.runMain(Layer.launch(Main))
