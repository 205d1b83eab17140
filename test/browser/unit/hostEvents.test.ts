/** What a client makes of interruptions that its platform tells of. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { HostEvents, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import {
  collect,
  echoGateway,
  makeClient,
  settle,
  statusTags,
  type TestClient,
  World,
  withRandom
} from "../../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const tenSeconds = Reconnect.exponential({ base: "10 seconds", jitter: false })

/** A platform that says what a test has it say. */
const makeHost = () => {
  const listeners = new Set<(event: HostEvents.HostEvent) => void>()
  const service: HostEvents.Service = {
    listen: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => void listeners.delete(listener))
      )
  }
  const tell = (event: HostEvents.HostEvent) =>
    Effect.zipRight(
      Effect.sync(() => {
        for (const listener of listeners) listener(event)
      }),
      settle
    )
  return { service, tell, listeners }
}

const begin = (options?: Parameters<typeof makeClient>[0]) =>
  Effect.gen(function* () {
    const host = makeHost()
    const client = yield* Effect.provideService(
      makeClient({ reconnect: tenSeconds, ...options }),
      HostEvents.HostEvents,
      host.service
    )
    yield* settle
    return { ...host, client, network: yield* Network }
  })

const tagOf = (client: TestClient) => Effect.map(client.status, ({ _tag }) => _tag)

const reasonOf = (client: TestClient) =>
  Effect.map(client.status, (status) => (status._tag === "Waiting" ? status.reason : status))

describe("Awake, to a client that waits", () => {
  it.scoped("has it try at this very millisecond", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { client, network, tell } = yield* begin()
      yield* network.cut()
      yield* TestClock.adjust(3456)
      assert.strictEqual(yield* tagOf(client), "Waiting")
      yield* tell("Awake")
      assert.deepInclude(yield* client.status, { _tag: "Ready", since: 3456 })
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("changes nothing about a delay that goaway asked for", () =>
    Effect.gen(function* () {
      const running = yield* Scope.make()
      yield* Scope.extend(echoGateway({ drainSpread: "5 seconds" }), running)
      const { client, tell } = yield* begin()
      yield* Effect.fork(Scope.close(running, Exit.void))
      yield* TestClock.adjust(50)
      const status = yield* client.status
      assert.strictEqual(status._tag, "Waiting")
      yield* tell("Awake")
      assert.deepStrictEqual(yield* client.status, status)
    }).pipe(withRandom(0.5), Effect.provide(World))
  )

  it.scoped("changes nothing about a delay that a 429 asked for; the application's own wish does", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { client, network, tell } = yield* begin()
      yield* network.reach({ _tag: "Status", status: 429, body: "", retryAfter: 20_000 })
      yield* network.cut()
      yield* TestClock.adjust(10_000)
      yield* network.reach({ _tag: "Open" })
      yield* tell("Awake")
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 20_000 })
      yield* client.reconnect
      yield* settle
      assert.strictEqual(yield* tagOf(client), "Ready")
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("a thousand times in a second, with a server that refuses, has it try at once and a second later", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { client, network, tell } = yield* begin()
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* TestClock.adjust(5000)
      const before = yield* network.dials
      yield* tell("Awake")
      assert.strictEqual((yield* network.dials) - before, 1, "at once")
      for (let i = 1; i < 1000; i++) {
        if (i % 100 === 0) yield* TestClock.adjust(99)
        yield* tell("Awake")
      }
      assert.strictEqual((yield* network.dials) - before, 1)
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(1000 - 9 * 99 - 1)
      assert.strictEqual((yield* network.dials) - before, 1)
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* client.status, { _tag: "Ready", since: 6000 })
      assert.strictEqual((yield* network.dials) - before, 2)
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("while an attempt is under way has another take its place at this very millisecond", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { client, network, tell } = yield* begin({ connectTimeout: "3 seconds" })
      yield* network.reach({ _tag: "Silent" })
      yield* network.cut()
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* tagOf(client), "Connecting")
      // The network is back, but not for the dial that is on its way.
      yield* network.reach({ _tag: "Open" })
      yield* tell("Awake")
      assert.deepInclude(yield* client.status, { _tag: "Ready", since: 10_000 })
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped(
    "while an attempt is under way that fails a little later is followed by another a second after the last",
    () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { client, network, tell } = yield* begin({ connectTimeout: "500 millis" })
        yield* network.reach({ _tag: "Silent" })
        yield* network.cut()
        yield* TestClock.adjust(20_000)
        assert.strictEqual(yield* tagOf(client), "Waiting")
        yield* tell("Awake")
        const dials = yield* network.dials
        yield* TestClock.adjust(100)
        yield* tell("Awake")
        yield* TestClock.adjust(400)
        // It has failed: what happened while it was under way is not forgotten.
        assert.strictEqual(yield* tagOf(client), "Waiting")
        yield* TestClock.adjust(499)
        assert.strictEqual(yield* network.dials, dials)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* network.dials, dials + 1)
      }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

describe("Awake, to a client that is Ready", () => {
  it.scoped("costs one ping when the peer lives, and is forgotten", () =>
    Effect.gen(function* () {
      yield* echoGateway({ heartbeatInterval: "10 minutes", readDeadline: "20 minutes" })
      const { client, network, tell } = yield* begin({ heartbeatInterval: "10 minutes", readDeadline: "20 minutes" })
      const link = yield* network.latest
      const before = link.pings("client")
      yield* TestClock.adjust(1000)
      for (let i = 0; i < 10; i++) yield* tell("Awake")
      assert.strictEqual(link.pings("client") - before, 1)
      yield* TestClock.adjust(20_000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 1 })
      yield* tell("Awake")
      assert.strictEqual(link.pings("client") - before, 2)
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  for (const again of [[], [1000], [1000, 4999]]) {
    it.scoped(`finds a dead peer helloTimeout later, told again after ${again.join(" and ") || "no"} ms`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { client, network, tell } = yield* begin({ helloTimeout: "5 seconds" })
        yield* TestClock.adjust(100)
        ;(yield* network.latest).silence()
        yield* tell("Awake")
        let passed = 0
        for (const at of again) {
          yield* TestClock.adjust(at - passed)
          passed = at
          yield* tell("Awake")
        }
        yield* TestClock.adjust(4999 - passed)
        assert.strictEqual(yield* tagOf(client), "Ready")
        yield* TestClock.adjust(1)
        assert.deepInclude(yield* reasonOf(client), {
          _tag: "ReadDeadlineExceeded",
          lastActivity: 0,
          deadline: 5100
        })
      }).pipe(withRandom(0.9), Effect.provide(World))
    )
  }

  it.scoped("finds a dead peer that had said something in the same millisecond, before it was asked", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { client, network, tell } = yield* begin()
      ;(yield* network.latest).silence()
      yield* tell("Awake")
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* reasonOf(client), { _tag: "ReadDeadlineExceeded", deadline: 5000 })
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("finds a dead peer although the clock has gone backwards", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(3_600_000)
      yield* echoGateway()
      const { client, network, tell } = yield* begin()
      ;(yield* network.latest).silence()
      yield* TestClock.setTime(0)
      yield* tell("Awake")
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* reasonOf(client), { _tag: "ReadDeadlineExceeded" })
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

describe("Leaving", () => {
  it.scoped("lets the connection go at once, and the session is resumed later", () =>
    Effect.gen(function* () {
      const { gateway, handled } = yield* echoGateway()
      const { client, tell } = yield* begin()
      yield* client.deliver("before")
      yield* tell("Leaving")
      assert.deepInclude(yield* reasonOf(client), { _tag: "ClosedLocally", code: 1001 })
      assert.deepInclude(yield* gateway.stats, { connections: 0, sessions: 1 })
      yield* client.send("while left")
      yield* tell("Awake")
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2, start: { _tag: "Resumed" } })
      assert.deepStrictEqual(handled, ["before", "while left"])
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

describe("A client that has ended", () => {
  const ends: Record<
    string,
    (client: TestClient) => Effect.Effect<void, never, Scope.Scope | MemoryNetwork.MemoryNetwork>
  > = {
    "was closed": (client) => client.close,
    "was closed while it waited": (client) =>
      Effect.flatMap(Network, (network) => network.cut()).pipe(Effect.zipRight(settle), Effect.zipRight(client.close)),
    "was turned away": (client) =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* network.reach({ _tag: "Status", status: 403, body: "", refusal: "origin" })
        yield* network.cut()
        yield* settle
        yield* client.reconnect
        yield* settle
        yield* network.reach({ _tag: "Open" })
      })
  }
  for (const [how, end] of Object.entries(ends)) {
    it.scoped(`because it ${how} is brought back by nothing`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { client, network, tell } = yield* begin()
        const statuses = yield* collect(client.changes)
        const ending = yield* Effect.fork(end(client))
        for (const event of ["Awake", "Leaving", "Awake"] as const) yield* tell(event)
        yield* Fiber.join(ending)
        const dials = yield* network.dials
        for (const event of ["Awake", "Leaving", "Awake"] as const) {
          yield* tell(event)
          yield* TestClock.adjust("1 minute")
        }
        assert.strictEqual(yield* tagOf(client), "Ended")
        assert.strictEqual(statusTags(yield* statuses).filter((tag) => tag === "Ended").length, 1)
        assert.strictEqual(yield* network.dials, dials)
      }).pipe(withRandom(0.9), Effect.provide(World))
    )
  }

  it.scoped("listens to its platform no longer than its scope", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { listeners } = yield* Effect.scoped(begin())
      assert.strictEqual(listeners.size, 0)
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})
