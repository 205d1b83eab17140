/** The end of the network is the end of what runs on it. */
import { assert, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Machine, MemoryNetwork } from "holdfast/testing"
import { client, gatewayAlone, Network, now, timed, virtually } from "./support.js"

it.effect("under TestClock the network is released although a gateway and a client run on it", () =>
  Effect.gen(function* () {
    const network = yield* Network
    const atTheEnd = Effect.flatMap(Machine.Machine, (machine) =>
      machine.ask("store", Effect.void, { timeout: "5 seconds", unreachable: () => "unreachable" })
    )
    yield* network.run("server", Effect.ensuring(gatewayAlone("one"), Effect.ignore(atTheEnd)))
    yield* network.run("client", Effect.scoped(Effect.zipRight(client(), Effect.never)))
    yield* TestClock.adjust(0)
    assert.strictEqual((yield* network.links).length, 1)
    // Nobody could say goodbye any more without that time passes.
    yield* network.silence()
  }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()))
)

it.effect("in virtual time the release takes no time", () =>
  Effect.gen(function* () {
    const [, millis] = yield* timed(
      Effect.gen(function* () {
        const network = yield* Network
        yield* network.run("server", gatewayAlone("one"))
        yield* network.run("client", Effect.scoped(Effect.zipRight(client(), Effect.never)))
        const mine = yield* Effect.provide(client(), network.on("laptop"))
        yield* mine.ready
      }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()))
    )
    assert.strictEqual(millis, 0)
    assert.strictEqual(yield* now, 0)
  }).pipe(virtually)
)

it.effect("a program ends with the network, and its finalizers run", () =>
  virtually(
    Effect.gen(function* () {
      const seen: Array<string> = []
      yield* Effect.gen(function* () {
        const network = yield* Network
        yield* network.run(
          "server",
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => seen.push("interrupted")))
        )
        yield* Effect.sleep(1)
      }).pipe(Effect.provide(MemoryNetwork.layer()))
      assert.deepStrictEqual(seen, ["interrupted"])
    })
  )
)
