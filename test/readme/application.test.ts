import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream, TestClock } from "effect"
import { Client, Gateway, Messages, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"

const World = Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory())

it.scoped("an order placed on a dead connection is placed once", () =>
  Effect.gen(function* () {
    const placed: Array<unknown> = []
    const place = (order: unknown) => Effect.sync(() => placed.push(order))
    yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (order, session) => Effect.zipRight(place(order), session.send("placed"))
    })
    const client = yield* Client.make({ url: "memory:", messages: Messages.json })
    yield* client.ready

    const network = yield* MemoryNetwork.MemoryNetwork
    const link = yield* network.latest
    link.silence() // half-open: nothing arrives any more, and nobody is told
    yield* client.send("one coffee")
    yield* TestClock.adjust("59 seconds")
    assert.strictEqual((yield* client.status)._tag, "Ready")
    yield* TestClock.adjust("1 second") // the read deadline: both ends know
    assert.strictEqual((yield* client.status)._tag, "Waiting")
    yield* TestClock.adjust("2 seconds") // the first retry
    assert.deepStrictEqual(placed, ["one coffee"])
    assert.deepStrictEqual(yield* Stream.runHead(client.messages), Option.some("placed"))
  }).pipe(Effect.provide(World))
)
