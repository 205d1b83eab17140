/** A program on a machine, from its start to its start afresh. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, FiberRef, Random } from "effect"
import { Machine } from "holdfast/testing"
import { dial, Network, virtually, why } from "./support.js"

it.effect("a program's fiber gives its result", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const name = Effect.map(Machine.Machine, (machine) => machine.name)
      assert.strictEqual(yield* Fiber.join(yield* network.run("laptop", name)), "laptop")
      assert.strictEqual(yield* Effect.flip(Fiber.join(yield* network.run("laptop", Effect.fail("no")))), "no")
    })
  )
)

it.effect("after a restart a program has the services and settings with which it was given to the machine", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const setting = yield* FiberRef.make("default")
      const seen: Array<readonly [string, number]> = []
      const program = Effect.gen(function* () {
        seen.push([yield* FiberRef.get(setting), yield* Random.next])
        yield* Effect.never
      })
      yield* network
        .run("laptop", program)
        .pipe(Effect.locally(setting, "mine"), Effect.withRandom(Random.fixed([0.25])))
      yield* Effect.sleep(1)
      yield* network.crash("laptop")
      yield* network.restart("laptop")
      yield* Effect.sleep(1)
      assert.deepStrictEqual(seen, [
        ["mine", 0.25],
        ["mine", 0.25]
      ])
    })
  )
)

it.effect("all programs of a machine begin again, in their order", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<number> = []
      for (const n of [1, 2, 3])
        yield* network.run(
          "laptop",
          Effect.sync(() => seen.push(n))
        )
      yield* Effect.sleep(1)
      yield* network.crash("laptop")
      yield* network.restart("laptop")
      yield* Effect.sleep(1)
      assert.deepStrictEqual(seen, [1, 2, 3, 1, 2, 3])
    })
  )
)

it.effect("whoever dials a machine whose program has failed is told why nobody listens", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", Effect.fail(new Error("no database")))
      yield* Effect.sleep(1)
      assert.match(why(yield* Effect.flip(dial())), /^503: nobody listens since Error: no database/)
    })
  )
)
