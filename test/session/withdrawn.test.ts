/** Deliveries that are given up: one that was never written does not happen later, one that was may. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Gateway, Messages, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { load, plainTab, storageTab } from "../support/keptSessions.js"
import { echoGateway, isRunning, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const oneSecond = Reconnect.exponential({ jitter: false })

/** A client that is away, of a gateway that tells what it was given. */
const away = (options?: Parameters<typeof makeClient>[0]) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const { gateway, handled } = yield* echoGateway()
    const client = yield* makeClient({ reconnect: oneSecond, ...options })
    yield* settle
    yield* network.reach({ _tag: "Refused" })
    yield* network.cut()
    yield* settle
    const back = Effect.zipRight(network.reach({ _tag: "Open" }), TestClock.adjust("1 minute"))
    return { back, client, gateway, handled, network }
  })

const deliverAll = (client: TestClient, ...messages: ReadonlyArray<unknown>) =>
  Effect.tap(
    Effect.forEach(messages, (message) => Effect.fork(client.deliver(message))),
    () => settle
  )

describe("A delivery that is interrupted before its message was ever written", () => {
  for (const [which, gone] of [
    ["first", [1]],
    ["middle", [3]],
    ["last", [5]],
    ["first and last", [1, 5]],
    ["inner", [2, 3, 4]],
    ["all", [1, 2, 3, 4, 5]]
  ] as const) {
    it.scoped(`does not happen later, and every other happens once and in order: ${which}`, () =>
      Effect.gen(function* () {
        const { back, client, handled } = yield* away()
        yield* client.send("before")
        const fibers = yield* deliverAll(client, 1, 2, 3, 4, 5)
        yield* client.send("after")
        yield* Fiber.interruptAll(fibers.filter((_, at) => (gone as ReadonlyArray<number>).includes(at + 1)))
        yield* back
        const others = [1, 2, 3, 4, 5].filter((n) => !(gone as ReadonlyArray<number>).includes(n))
        assert.deepStrictEqual(handled, ["before", ...others, "after"])
        for (const n of others) yield* Fiber.join(fibers[n - 1] as (typeof fibers)[number]) // there are five
        yield* client.deliver("more")
        assert.deepInclude(yield* client.stats, { sent: others.length + 3, acknowledged: others.length + 3 })
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("makes room for who waits, whose message is the only one to arrive", () =>
    Effect.gen(function* () {
      const { back, client, handled } = yield* away({ replayMessages: 2 })
      const [first, , third, fourth] = yield* deliverAll(client, 1, 2, 3, 4)
      assert.isDefined(third)
      if (first === undefined || third === undefined || fourth === undefined) return
      yield* Fiber.interrupt(third)
      yield* Fiber.interrupt(first)
      assert.deepInclude((yield* client.stats).unacknowledged, { messages: 2 })
      yield* back
      assert.deepStrictEqual(handled, [2, 4])
      assert.isFalse(yield* isRunning(fourth))
    }).pipe(Effect.provide(World))
  )

  it.scoped("has no fate of another session's message: what is lost meanwhile is carried over without it", () =>
    Effect.gen(function* () {
      const { back, client, gateway, handled } = yield* away()
      const [first] = yield* deliverAll(client, 1, 2, 3)
      yield* TestClock.adjust("3 minutes")
      assert.lengthOf(yield* gateway.sessions, 0)
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* back
      assert.deepStrictEqual(handled, [2, 3])
    }).pipe(Effect.provide(World))
  )

  it.scoped("is withdrawn while earlier ones are written again, and those are not", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const handled: Array<unknown> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        replayMessages: 2,
        onMessage: (message) => Effect.sync(() => void handled.push(message))
      })
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      const link = yield* network.latest
      link.silence("client")
      // Two leave and are lost; the others wait for the window.
      const fibers = yield* deliverAll(client, 1, 2, 3, 4)
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* settle
      yield* Effect.forEach([fibers[0], fibers[2]], (fiber) => (fiber ? Fiber.interrupt(fiber) : Effect.void))
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(handled, [1, 2, 4])
    }).pipe(Effect.provide(World))
  )

  it.scoped("happens or does not, never both, when it is interrupted in the tick in which it is written", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { handled } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      for (let n = 1; n <= 20; n++) {
        const fiber = yield* Effect.fork(client.deliver(n))
        for (let turn = 0; turn < n % 4; turn++) yield* Effect.yieldNow()
        yield* Fiber.interruptFork(fiber)
        if (n % 5 === 0) yield* network.cut()
      }
      yield* TestClock.adjust("1 minute")
      yield* client.deliver("last")
      const { acknowledged, sent } = yield* client.stats
      assert.strictEqual(sent, acknowledged)
      assert.lengthOf(handled, sent)
      const numbers = handled.filter((message): message is number => typeof message === "number")
      assert.deepStrictEqual(
        numbers,
        [...new Set(numbers)].sort((a, b) => a - b)
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("is not waited for at a slow rate by a smaller one that comes after it", () =>
    Effect.gen(function* () {
      const handled: Array<number> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        byteRate: 1000,
        onMessage: (message) => Effect.sync(() => void handled.push(String(message).length))
      })
      const client = yield* makeClient()
      yield* settle
      // The second waits until the bucket is full; the third would fit at once.
      const [, second] = yield* deliverAll(client, "x".repeat(300), "x".repeat(5000), "small")
      assert.deepStrictEqual(handled, [300])
      if (second !== undefined) yield* Fiber.interrupt(second)
      yield* settle
      assert.deepStrictEqual(handled, [300, 5])
    }).pipe(Effect.provide(World))
  )

  it.scoped("leaves nothing to wait for to a client that closes", () =>
    Effect.gen(function* () {
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        replayMessages: 1,
        onMessage: () => Effect.sleep("1 second")
      })
      const client = yield* makeClient()
      yield* settle
      const [, second] = yield* deliverAll(client, 1, 2)
      const closing = yield* Effect.fork(client.close)
      yield* settle
      if (second !== undefined) yield* Fiber.interrupt(second)
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(World))
  )
})

describe("A send that waits for room", () => {
  it.scoped("and is interrupted is not accepted later; one that was accepted stays", () =>
    Effect.gen(function* () {
      const { back, client, handled } = yield* away({ replayMessages: 1 })
      yield* client.send(1)
      const second = yield* Effect.fork(client.send(2))
      const third = yield* Effect.fork(client.send(3))
      yield* settle
      yield* Fiber.interrupt(second)
      yield* back
      yield* Fiber.join(third)
      yield* settle
      assert.deepStrictEqual(handled, [1, 3])
    }).pipe(Effect.provide(World))
  )
})

for (const [name, tab] of Object.entries({ "a plain keeper": plainTab, "a tab's storage": storageTab })) {
  describe(`A delivery of a session that is kept by ${name}`, () => {
    it.scoped(
      "is forgotten when it is given up unwritten, and the next page sends the others under their new numbers",
      () =>
        Effect.gen(function* () {
          const network = yield* MemoryNetwork.MemoryNetwork
          const { handled } = yield* echoGateway()
          const here = tab()
          const page = yield* load(here)
          yield* settle
          yield* page.client.deliver("a")
          yield* network.reach({ _tag: "Refused" })
          yield* network.cut()
          yield* settle
          const fibers = yield* deliverAll(page.client, 1, 2, 3, 4)
          yield* Effect.forEach([fibers[0], fibers[2]], (fiber) => (fiber ? Fiber.interrupt(fiber) : Effect.void))
          yield* page.client.send("b")
          yield* page.die
          const next = yield* load(here)
          yield* next.client.send("c")
          const late = yield* deliverAll(next.client, 5, 6)
          if (late[0] !== undefined) yield* Fiber.interrupt(late[0])
          yield* network.reach({ _tag: "Open" })
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(handled, ["a", 2, 4, "b", "c", 6])
          assert.deepStrictEqual(next.events, [])
          // What comes after is kept under numbers that nothing else has.
          yield* network.reach({ _tag: "Refused" })
          yield* network.cut()
          yield* settle
          yield* next.client.send("d")
          yield* next.die
          yield* load(here)
          yield* network.reach({ _tag: "Open" })
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(handled, ["a", 2, 4, "b", "c", 6, "d"])
        }).pipe(Effect.provide(World))
    )

    it.scoped("that its page leaves behind unwritten has an unknown outcome: the next page sends it", () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        const { handled } = yield* echoGateway()
        const here = tab()
        const page = yield* load(here)
        yield* settle
        yield* network.reach({ _tag: "Refused" })
        yield* network.cut()
        yield* settle
        const [delivery] = yield* Effect.forEach([1], (n) => Effect.forkDaemon(Effect.flip(page.client.deliver(n))))
        yield* settle
        yield* page.die
        yield* load(here)
        yield* network.reach({ _tag: "Open" })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(handled, [1])
        if (delivery !== undefined) assert.strictEqual((yield* Fiber.join(delivery))._tag, "OutcomeUnknown")
      }).pipe(Effect.provide(World))
    )
  })
}
