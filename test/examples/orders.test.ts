/** The example of an order tracker, as a process of its own. */
import { assert, it } from "@effect/vitest"
import { Chunk, Effect, Schema, Stream } from "effect"
import { Client, Messages, Topic } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { start } from "../node/program.js"
import { limit } from "../support/patience.js"

/** What its clients know of it. */
const Order = Schema.Struct({ order: Schema.String, dish: Schema.String, state: Schema.String })
const Orders = Topic.make("orders/:customer", Order)

const connect = (url: string, token: string) =>
  Effect.tap(Client.make({ url, token, messages: Messages.json }), (client) => client.ready)

it.scopedLive(
  "An order is placed once, followed by its customer, moved by the kitchen alone, and refused where it is not possible",
  () =>
    Effect.gen(function* () {
      const program = yield* start("orders", { env: { PORT: "0" } })
      const url = /ws:\S+/.exec(yield* program.line(/ws:/))?.[0] ?? ""
      const [ann, bob, kitchen] = yield* Effect.all([connect(url, "ann"), connect(url, "bob"), connect(url, "kitchen")])
      const anns = Orders.at({ customer: "ann" })
      const { publications } = yield* ann.subscribeScoped(anns)

      yield* ann.deliver({ _tag: "Place", dish: "soup" })
      const [placed] = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(ann.messages, 1)))
      const { order } = yield* Schema.decodeUnknown(Schema.Struct({ order: Schema.String }))(placed)
      const move = { _tag: "Move", customer: "ann", dish: "soup", order }
      yield* kitchen.deliver({ ...move, state: "cooking" })
      yield* kitchen.deliver({ ...move, state: "ready" })
      const seen = yield* Stream.runCollect(Stream.take(Stream.filter(publications, Client.hasValue), 3))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(seen).map(({ value }) => value),
        ["placed", "cooking", "ready"].map((state) => ({ order, dish: "soup", state }))
      )

      const refused = yield* Effect.flip(ann.deliver({ _tag: "Place", dish: "gold" }))
      assert.deepInclude(refused, { _tag: "MessageRefused", code: "not-on-the-menu" })
      const notTheirs = yield* Effect.flip(ann.deliver({ ...move, state: "ready" }))
      assert.deepInclude(notTheirs, { _tag: "MessageRefused", code: "not-allowed" })
      const curious = yield* Effect.flip(Effect.scoped(bob.subscribeScoped(anns)))
      assert.deepInclude(curious, { _tag: "TopicRefused", code: "not-allowed" })
      // The sessions go on.
      yield* ann.deliver({ _tag: "Place", dish: "cake" })

      const page = yield* Effect.promise(() => fetch(url.replace("ws:", "http:")))
      const members = (yield* Effect.promise(() => page.json())) as ReadonlyArray<object>
      assert.lengthOf(members, 1)
      assert.deepInclude(members[0], { principal: "ann", data: "Ann" })
      const stranger = yield* Client.make({ url, token: "eve", messages: Messages.json })
      assert.deepInclude(yield* stranger.ended, { _tag: "Stopped", verdict: { _tag: "Stop", why: "NotAuthenticated" } })
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)
