/** What one machine asks of another. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Random } from "effect"
import { Machine } from "holdfast/testing"
import { Network, now, timed, virtually } from "./support.js"

/** Asks from a machine: "no answer" and the like, or what came. */
const ask = <A>(effect: Effect.Effect<A>, to = "store") =>
  Effect.flatMap(Machine.Machine, (machine) =>
    machine.ask(to, effect, { timeout: "5 seconds", unreachable: (cause) => cause })
  )

const asking = <A>(effect: Effect.Effect<A>, to?: string) =>
  Effect.gen(function* () {
    const network = yield* Network
    return yield* network.run("gateway", timed(Effect.merge(ask(effect, to))))
  })

it.effect("a question happens there once it has arrived, and its answer takes the way back", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.way({ latency: 30 }, "gateway", "store")
      yield* network.way({ latency: 12 }, "store", "gateway")
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(now)), [30, 42])
    })
  )
)

it.effect("what takes time there takes it there", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.way({ latency: 10 })
      const slow = Effect.zipRight(Effect.sleep(100), now)
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(slow)), [110, 120])
    })
  )
)

it.effect("a question without an answer fails after its timeout", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.silence("store", "gateway")
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(now)), ["no answer within 5s", 5000])
    })
  )
)

it.effect("a question that arrives late happens although nobody waits for it any more", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const happened: Array<number> = []
      yield* network.silence("gateway", "store")
      const asked = yield* asking(Effect.map(now, (at) => happened.push(at)))
      assert.deepStrictEqual(yield* Fiber.join(asked), ["no answer within 5s", 5000])
      yield* Effect.sleep(1000)
      yield* network.heal("gateway", "store")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(happened, [6000])
    })
  )
)

it.effect("a question is refused where dials are, after the way there and back", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.way({ latency: 10 })
      yield* network.reach({ _tag: "Refused" }, "store")
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(now)), ["connection refused", 20])
    })
  )
)

it.effect("over a silent way nobody hears of a refusal", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" }, "store")
      yield* network.partition("gateway", "store")
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(now)), ["no answer within 5s", 5000])
    })
  )
)

it.effect("a cut fails a question on its way, which then never happens", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      let happened = false
      yield* network.way({ latency: 10 })
      const asked = yield* asking(
        Effect.sync(() => {
          happened = true
        })
      )
      yield* Effect.sleep(5)
      yield* network.cut("store", "gateway")
      assert.deepStrictEqual(yield* Fiber.join(asked), ["connection reset", 5])
      yield* Effect.sleep(1000)
      assert.isFalse(happened)
    })
  )
)

it.effect("a cut fails a question whose answer is on its way, and it has happened", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      let happened = false
      yield* network.way({ latency: 10 })
      const asked = yield* asking(
        Effect.sync(() => {
          happened = true
        })
      )
      yield* Effect.sleep(15)
      yield* network.cut("gateway", "store")
      assert.deepStrictEqual(yield* Fiber.join(asked), ["connection reset", 15])
      assert.isTrue(happened)
    })
  )
)

it.effect("a machine that crashes fails what it is asked at once", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const asked = yield* asking(Effect.sleep(1000))
      yield* Effect.sleep(5)
      yield* network.crash("store")
      assert.deepStrictEqual(yield* Fiber.join(asked), ["connection reset", 5])
      assert.deepStrictEqual(yield* Fiber.join(yield* asking(now)), ["connection refused", 0])
    })
  )
)

it.effect("a machine that crashes without a word does not answer", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const asked = yield* asking(Effect.sleep(1000))
      yield* Effect.sleep(5)
      yield* network.crash("store", { isTold: false })
      assert.deepStrictEqual(yield* Fiber.join(asked), ["no answer within 5s", 5000])
    })
  )
)

it.effect("a machine that has crashed asks nothing", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<string> = []
      yield* network.run(
        "gateway",
        Effect.onInterrupt(Effect.never, () =>
          Effect.flatMap(Effect.merge(ask(Effect.sync(() => seen.push("asked")))), (answer) =>
            Effect.sync(() => seen.push(String(answer)))
          )
        )
      )
      yield* Effect.sleep(1)
      yield* network.crash("gateway")
      yield* Effect.sleep(1)
      assert.deepStrictEqual(seen, ["this machine has crashed"])
    })
  )
)

it.effect("what others say is heard in order, after a silence too, and not after the end", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const heard: Array<readonly [number, number]> = []
      const machine = yield* Effect.provide(Machine.Machine, network.on("gateway"))
      const clock = yield* Effect.clock
      const { say, stop } = machine.hear<number>("store", (n) => heard.push([n, clock.unsafeCurrentTimeMillis()]))
      yield* network.way({ latency: 10, jitter: 10 }, "store", "gateway").pipe(Effect.withRandom(Random.make(1)))
      for (let i = 1; i <= 3; i++) say(i)
      yield* Effect.sleep(100)
      assert.deepStrictEqual(
        heard.map(([n]) => n),
        [1, 2, 3]
      )
      yield* network.silence("store", "gateway")
      yield* network.clear()
      yield* network.way({})
      say(4)
      say(5)
      yield* Effect.sleep(100)
      yield* network.heal("store", "gateway")
      assert.deepStrictEqual(heard.slice(3), [
        [4, 200],
        [5, 200]
      ])
      stop()
      say(6)
      yield* Effect.sleep(100)
      assert.strictEqual(heard.length, 5)
    })
  )
)

it.effect("a dead program hears nothing of what was on its way", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const heard: Array<number> = []
      const machine = yield* Effect.provide(Machine.Machine, network.on("gateway"))
      yield* network.way({ latency: 10 })
      const { say } = machine.hear<number>("store", (n) => heard.push(n))
      say(1)
      yield* Effect.sleep(5)
      yield* network.crash("gateway")
      yield* Effect.sleep(100)
      assert.deepStrictEqual(heard, [])
    })
  )
)
