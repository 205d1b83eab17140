/** How long the way between two machines takes. */
import { assert, it } from "@effect/vitest"
import { type Clock, Effect, Random, TestClock } from "effect"
import { MemoryNetwork } from "holdfast/testing"
import { dial, type Heard, hold, listenTo, Network, virtually, whats } from "./support.js"

/** A client's transport and a server's, and what each hears. */
const pair = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const [server] = yield* hold("server")
  const client = yield* dial()
  const there = yield* server
  return { client, there, back: listenTo(client, { clock }), heard: listenTo(there, { clock }) }
})

const steps = (heard: ReadonlyArray<Heard>) => heard.map(({ at, what }) => `${what} at ${at}`)

it.effect("a message takes the latency of its direction, exactly", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { back, client, heard, there } = yield* pair
      yield* network.way({ latency: 30 }, "client", "server")
      yield* network.way({ latency: "2 seconds" }, "server", "client")
      client.send("1")
      there.send("2")
      yield* Effect.sleep(7)
      client.send("3")
      yield* Effect.sleep("1 minute")
      assert.deepStrictEqual(steps(heard), ["1 at 30", "3 at 37"])
      assert.deepStrictEqual(steps(back), ["2 at 2000"])
    })
  )
)

it.effect("under TestClock a message is not there a millisecond before its latency, and then is", () =>
  Effect.gen(function* () {
    const network = yield* Network
    const { client, heard } = yield* pair
    yield* network.way({ latency: 30 })
    client.send("1")
    yield* TestClock.adjust(29)
    assert.deepStrictEqual(heard, [])
    yield* TestClock.adjust(1)
    assert.deepStrictEqual(steps(heard), ["1 at 30"])
  }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()))
)

it.effect("a clock that stands between two milliseconds does not hold a message up", () =>
  Effect.gen(function* () {
    const network = yield* Network
    const { client, heard } = yield* pair
    const clock: Clock.Clock = yield* Effect.clock
    yield* TestClock.setTime(433_633)
    yield* network.way({ latency: 11 })
    client.send("1")
    yield* TestClock.setTime(433_643.999_999_999_94)
    assert.strictEqual(clock.unsafeCurrentTimeMillis(), 433_643.999_999_999_94)
    yield* network.silence()
    yield* network.heal()
    yield* TestClock.adjust(0)
    assert.deepStrictEqual(whats(heard), ["1"])
  }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()))
)

/** When twenty messages arrive that were sent 5 ms apart. */
const shaken = (seed: number) =>
  Effect.gen(function* () {
    const network = yield* Network
    const { client, heard } = yield* pair
    yield* network.way({ latency: 100, jitter: 50 }, "client", "server")
    for (let i = 0; i < 20; i++) {
      client.send(String(i))
      yield* Effect.sleep(5)
    }
    yield* Effect.sleep(1000)
    return [...heard]
  }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()), Effect.withRandom(Random.make(seed)), (effect) =>
    virtually(effect)
  )

it.effect("jitter adds up to its figure, keeps the order, and is the same for the same seed", () =>
  Effect.gen(function* () {
    const heard = yield* shaken(1)
    assert.deepStrictEqual(
      whats(heard),
      Array.from({ length: 20 }, (_, i) => String(i))
    )
    const taken = heard.map(({ at }, i) => at - 5 * i)
    for (const millis of taken) assert.isTrue(millis >= 100 && millis <= 150, String(millis))
    assert.isAbove(new Set(taken).size, 3)
    assert.deepStrictEqual(yield* shaken(1), heard)
    assert.notDeepEqual(yield* shaken(2), heard)
  })
)

it.effect("a network without jitter leaves chance alone", () =>
  Effect.gen(function* () {
    const draws = (conditions: MemoryNetwork.WayOptions) =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* network.way(conditions)
        return yield* Random.next
      }).pipe(Effect.provide(MemoryNetwork.layer()), Effect.withRandom(Random.make(7)))
    const first = yield* Effect.withRandom(Random.next, Random.make(7))
    assert.strictEqual(yield* draws({ latency: 10, bandwidth: 100 }), first)
    assert.notStrictEqual(yield* draws({ jitter: 10 }), first)
  })
)

it.effect("a message takes its bytes over the bandwidth, and the next one waits for the line", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { client, heard } = yield* pair
      yield* network.way({ bandwidth: 1000, latency: 10 })
      client.send("x".repeat(500))
      client.send("y".repeat(250))
      yield* Effect.sleep(2000)
      client.send("z".repeat(100))
      yield* Effect.sleep(2000)
      assert.deepStrictEqual(
        heard.map(({ at }) => at),
        [510, 760, 2110]
      )
    })
  )
)

it.effect("a slow way pushes the sender back, and tells it when all has left", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { back, client, heard } = yield* pair
      yield* network.way({ bandwidth: 100_000 })
      for (let i = 0; i < 5; i++) client.send(String(i).repeat(50_000)) // The wire holds 64 KiB.
      yield* Effect.sleep(0)
      assert.deepStrictEqual(steps(back), ["congested at 0"])
      // One message, and a piece of the next.
      assert.strictEqual(client.buffered(), 200_000 - 16 * 1024)
      assert.strictEqual(client.accepted(), 250_000)
      yield* Effect.sleep(10_000)
      assert.deepStrictEqual(
        heard.map(({ at }) => at),
        [500, 1000, 1500, 2000, 2500]
      )
      assert.deepStrictEqual(steps(back).at(-1), "drained at 1992")
      assert.strictEqual(client.buffered(), 0)
    })
  )
)

it.effect("a congested way is afterwards as it was", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { client, heard } = yield* pair
      const send = (what: string) =>
        Effect.zipRight(
          Effect.sync(() => client.send(what)),
          Effect.sleep(1000)
        )
      yield* network.way({ latency: 10 })
      yield* send("1")
      yield* network.congest({ latency: 300 }, "client", "server")
      yield* network.way({ latency: 20 })
      yield* send("2")
      yield* network.clear("client", "server")
      yield* send("3")
      assert.deepStrictEqual(steps(heard), ["1 at 10", "2 at 1300", "3 at 2020"])
    })
  )
)

it.effect("what is said last of a way holds, of one, of all from a machine, of all", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { client, heard } = yield* pair
      const send = (what: string) =>
        Effect.zipRight(
          Effect.sync(() => client.send(what)),
          Effect.sleep(1000)
        )
      yield* network.way({ latency: 1 }, "client", "server")
      yield* network.way({ latency: 2 }, "laptop", "server")
      yield* send("named")
      yield* network.way({ latency: 3 }, "client")
      yield* send("from")
      yield* network.way({ latency: 4 })
      yield* send("all")
      yield* network.way({ latency: 5 }, undefined, "server")
      yield* send("to")
      assert.deepStrictEqual(steps(heard), ["named at 1", "from at 1003", "all at 2004", "to at 3005"])
    })
  )
)

it.effect("a message does not overtake one that was sent over a slower way", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const { client, heard } = yield* pair
      yield* network.way({ latency: 500 })
      client.send("1")
      yield* network.way({})
      client.send("2")
      yield* Effect.sleep(1000)
      assert.deepStrictEqual(steps(heard), ["1 at 500", "2 at 500"])
    })
  )
)
