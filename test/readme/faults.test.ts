import { assert, it } from "@effect/vitest"
import { Array, Effect, Fiber, Layer, Random } from "effect"
import { SessionStore } from "holdfast"
import { FaultPlan, Machine, MemoryNetwork, VirtualTime } from "holdfast/testing"
import { shop, till } from "./shop.js"

const plan = FaultPlan.random({
  ways: [
    ["till", "shop"],
    ["shop", "store"]
  ], // who dials, or asks, whom
  spared: ["till", "store"], // a till that crashes would lose its session, and be told so
  faults: 20,
  within: "10 minutes",
  longest: "1 minute"
})
const World = Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory())

it.effect.each(Array.range(1, 20))("each order is booked once and in order, whatever goes wrong: seed %i", (seed) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const orders = Array.range(1, 60)
    const book = new Map<string, unknown>()
    yield* network.run("shop", Effect.provide(shop(book), Machine.layerSessionStore({ on: "store" })))
    const placing = yield* network.run("till", till(orders))
    yield* Effect.all([FaultPlan.play(yield* plan), Fiber.join(placing)])
    assert.deepStrictEqual([...book.values()], orders)
  }).pipe(Effect.provide(World), VirtualTime.run, Effect.withRandom(Random.make(seed)))
)
