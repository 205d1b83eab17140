/** A machine that sleeps, and what it does when it wakes. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Random, TestClock } from "effect"
import { Gateway, Messages, SessionStore } from "holdfast"
import { Machine, MemoryNetwork } from "holdfast/testing"
import { client, dial, gateway, gatewayAlone, hold, listenTo, Network, now, virtually } from "./support.js"

it.effect("what is due while a machine sleeps happens when it wakes, in its order", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<readonly [string, number]> = []
      const after = (millis: number) =>
        Effect.zipRight(
          Effect.sleep(millis),
          Effect.map(now, (at) => seen.push([`after ${millis}`, at]))
        )
      yield* network.run("laptop", Effect.all([after(300), after(100), after(2000), after(10)], { concurrency: 4 }))
      yield* Effect.sleep(50)
      yield* network.suspend("laptop")
      yield* Effect.sleep(950)
      assert.deepStrictEqual(seen, [["after 10", 10]])
      yield* network.wake("laptop")
      yield* Effect.sleep(5000)
      assert.deepStrictEqual(seen, [
        ["after 10", 10],
        ["after 100", 1000],
        ["after 300", 1000],
        ["after 2000", 2000]
      ])
    })
  )
)

it.effect("on a machine whose monotonic clock stops in sleep, a timer has left after it what it had before it", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<readonly [string, number, number]> = []
      const after = (millis: number) =>
        Effect.gen(function* () {
          const clock = yield* Effect.clock
          const from = clock.unsafeCurrentTimeNanos()
          yield* Effect.sleep(millis)
          const counted = Number((clock.unsafeCurrentTimeNanos() - from) / 1_000_000n)
          seen.push([`after ${millis}`, counted, yield* now])
        })
      yield* network.run("laptop", Effect.all([after(300), after(100), after(2000), after(10)], { concurrency: 4 }))
      yield* Effect.sleep(50)
      yield* network.suspend("laptop", { monotonic: "stops" })
      yield* network.suspend("laptop")
      yield* Effect.sleep(950)
      yield* network.wake("laptop")
      yield* Effect.sleep(500)
      yield* network.suspend("laptop", { monotonic: "stops" })
      yield* Effect.sleep(1000)
      yield* network.wake("laptop")
      yield* Effect.sleep(5000)
      assert.deepStrictEqual(seen, [
        ["after 10", 10, 10],
        ["after 100", 100, 1050],
        ["after 300", 300, 1250],
        ["after 2000", 2000, 3950]
      ])
    })
  )
)

for (const [slept, status] of [
  ["70 seconds", "Waiting"],
  ["25 seconds", "Ready"]
] as const) {
  it.effect(`a client whose monotonic clock stopped in a sleep of ${slept} asks its gateway within 5 s`, () =>
    virtually(
      Effect.gen(function* () {
        const network = yield* Network
        const handled: Array<unknown> = []
        yield* network.run("server", gatewayAlone("one", handled))
        const mine = yield* Effect.provide(client(), network.on("laptop"))
        const { session } = yield* mine.ready
        yield* mine.deliver("before")
        yield* network.suspend("laptop", { monotonic: "stops" })
        yield* Effect.sleep(slept)
        yield* network.wake("laptop")
        yield* Effect.sleep("6 seconds")
        const again = yield* mine.ready
        assert.strictEqual(again.session, session)
        assert.strictEqual(again.start._tag, status === "Waiting" ? "Resumed" : "Fresh")
        yield* mine.deliver("after")
        assert.deepStrictEqual(handled, ["before", "after"])
      })
    )
  )
}

it.effect("the clocks of other machines go on", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<number> = []
      const ticks = Effect.forever(
        Effect.zipRight(
          Effect.sleep(100),
          Effect.map(now, (at) => seen.push(at))
        )
      )
      yield* network.run("laptop", Effect.never)
      yield* network.run("server", ticks)
      yield* network.suspend("laptop")
      yield* Effect.sleep(350)
      assert.deepStrictEqual(seen, [100, 200, 300])
    })
  )
)

it.effect("a machine started from a sleeping machine's program, or again by it, has a clock of its own", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<number> = []
      const ticks = Effect.forever(
        Effect.zipRight(
          Effect.sleep(100),
          Effect.map(now, (at) => seen.push(at))
        )
      )
      yield* network.run("laptop", network.run("server", ticks))
      yield* Effect.sleep(0)
      yield* network.suspend("laptop")
      yield* Effect.sleep(250)
      assert.deepStrictEqual(seen, [100, 200])
    })
  )
)

it.effect("a client that slept longer than its read deadline finds out at once when it wakes, and resumes", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const handled: Array<unknown> = []
      yield* network.run("server", gatewayAlone("one", handled))
      const mine = yield* Effect.provide(client(), network.on("laptop"))
      const { session } = yield* mine.ready
      yield* mine.deliver("before")
      yield* network.suspend("laptop")
      yield* Effect.sleep("70 seconds")
      assert.strictEqual((yield* mine.status)._tag, "Ready")
      yield* network.wake("laptop")
      yield* Effect.sleep(0)
      assert.strictEqual((yield* mine.status)._tag, "Waiting")
      const again = yield* mine.ready
      assert.deepStrictEqual([again.session, again.start._tag], [session, "Resumed"])
      yield* mine.deliver("after")
      assert.deepStrictEqual(handled, ["before", "after"])
    })
  )
)

it.effect("a client that slept less than its read deadline goes on", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* Effect.provide(client(), network.on("laptop"))
      const { generation } = yield* mine.ready
      yield* network.suspend("laptop")
      yield* Effect.sleep("25 seconds")
      yield* network.wake("laptop")
      yield* Effect.sleep("5 minutes")
      assert.strictEqual((yield* mine.ready).generation, generation)
    })
  )
)

it.effect("a client that slept longer than the resume window loses its session, and is told", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("server", gatewayAlone("one"))
      const mine = yield* Effect.provide(client(), network.on("laptop"))
      yield* mine.ready
      yield* network.suspend("laptop")
      yield* Effect.sleep("5 minutes")
      yield* network.wake("laptop")
      yield* Effect.sleep(0)
      const { start } = yield* mine.ready
      assert.deepInclude(start, { _tag: "Reset", reason: "expired" })
    })
  )
)

it.effect("the clients of a server that slept resume when it wakes", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const handled: Array<unknown> = []
      yield* network.run("server", gatewayAlone("one", handled))
      const mine = yield* client()
      const { session } = yield* mine.ready
      yield* network.suspend("server")
      const delivering = yield* Effect.fork(mine.deliver("while it sleeps"))
      yield* Effect.sleep("90 seconds")
      assert.notStrictEqual((yield* mine.status)._tag, "Ready")
      assert.deepStrictEqual(handled, [])
      yield* network.wake("server")
      yield* Fiber.join(delivering)
      const again = yield* mine.ready
      assert.deepStrictEqual([again.session, again.start._tag], [session, "Resumed"])
      assert.deepStrictEqual(handled, ["while it sleeps"])
    })
  )
)

it.effect("what is sent to a sleeping machine arrives when it wakes, after what was due", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const [server] = yield* hold("server")
      const heard: Array<string> = []
      yield* network.run(
        "laptop",
        Effect.gen(function* () {
          const transport = yield* dial()
          transport.run({
            message: (frame) => heard.push(String(frame)),
            ping: () => {},
            pong: () => {},
            congested: () => {},
            drained: () => {},
            closed: () => {}
          })
          yield* Effect.sleep(100)
          heard.push("due")
          yield* Effect.never
        }).pipe(Effect.scoped)
      )
      const there = yield* server
      listenTo(there)
      yield* network.suspend("laptop")
      there.send("1")
      there.send("2")
      yield* Effect.sleep(1000)
      assert.deepStrictEqual(heard, [])
      yield* network.wake("laptop")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(heard, ["due", "1", "2"])
    })
  )
)

it.effect("a sleeping machine is asked in vain until it wakes", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.run("store", Effect.never)
      const machine = yield* Effect.provide(Machine.Machine, network.on("gateway"))
      const ask = Effect.merge(machine.ask("store", now, { timeout: 5000, unreachable: () => "none" }))
      yield* network.suspend("store")
      const first = yield* Effect.fork(ask)
      yield* Effect.sleep(3000)
      const second = yield* Effect.fork(ask)
      yield* Effect.sleep(3000)
      yield* network.wake("store")
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["none", 6000])
    })
  )
)

it.effect("to put a machine to sleep on which nothing runs dies, and says why", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const exit = yield* Effect.exit(network.suspend("laptop"))
      assert.include(String(exit), "nothing runs on the machine laptop")
    })
  )
)

it.effect("a machine that has crashed does not sleep, and one that is back is awake", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<number> = []
      yield* network.run(
        "server",
        Effect.forever(
          Effect.zipRight(
            Effect.sleep(100),
            Effect.map(now, (at) => seen.push(at))
          )
        )
      )
      yield* network.crash("server")
      yield* network.suspend("server")
      yield* Effect.sleep(1000)
      yield* network.restart("server")
      yield* Effect.sleep(150)
      assert.deepStrictEqual(seen, [1100])
    })
  )
)

it.effect("under TestClock, too, a client finds out at the millisecond at which it wakes", () =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: () => Effect.void
    }).pipe(Effect.provideServiceEffect(SessionStore.SessionStore, SessionStore.makeMemory()))
    const mine = yield* Effect.provide(client(), network.on("laptop"))
    yield* mine.ready
    yield* network.suspend("laptop")
    yield* TestClock.adjust("61 seconds")
    assert.strictEqual((yield* mine.status)._tag, "Ready")
    yield* network.wake("laptop")
    yield* TestClock.adjust(0)
    assert.strictEqual((yield* mine.status)._tag, "Waiting")
  }).pipe(Effect.scoped, Effect.provide(MemoryNetwork.layer()), Effect.withRandom(Random.fixed([0.5])))
)

it.effect("a store on a machine of its own is asked by a gateway that slept, and nothing is lost", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const store = yield* SessionStore.makeMemory()
      const handled: Array<unknown> = []
      const program = gateway("one", handled).pipe(
        Effect.provide(Machine.layerSessionStore({ on: "store" })),
        Effect.provideService(SessionStore.SessionStore, store)
      )
      yield* network.way({ latency: 5 })
      yield* network.run("server", program)
      yield* Effect.sleep(0)
      const mine = yield* client()
      yield* mine.deliver(1)
      yield* network.suspend("server")
      const delivering = yield* Effect.fork(mine.deliver(2))
      yield* Effect.sleep("20 seconds")
      yield* network.wake("server")
      yield* Fiber.join(delivering)
      assert.deepStrictEqual(handled, [1, 2])
      assert.strictEqual((yield* mine.ready).generation, 1)
    })
  )
)

it.effect("`on` gives its clock to what it is provided to, and to nothing else", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const mine = yield* Effect.clock
      const theirs = yield* Effect.provide(Effect.clock, network.on("laptop"))
      assert.notStrictEqual(theirs, mine)
      assert.strictEqual(yield* Effect.clock, mine)
    })
  )
)
