import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Random, Schedule, Scope, TestClock } from "effect"
import { ConnectionError, Listener, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, echoGateway, isRunning, makeClient, settle, statusTags, World } from "../support/virtual.js"

const lost = new ConnectionError.ConnectionLost({})

/** The delays of so many attempts in a row, in milliseconds. */
const delays = (policy: Reconnect.Policy, attempts: number) =>
  Effect.gen(function* () {
    const backoff = yield* Reconnect.backoff(policy)
    const found: Array<number> = []
    for (let i = 0; i < attempts; i++) found.push(Option.getOrThrow(yield* backoff.next(lost)))
    return found
  })

describe("Reconnect.exponential", () => {
  it.effect("without jitter: 1, 2, 4, 8, 16, 30, 30 s", () =>
    Effect.gen(function* () {
      const found = yield* delays(Reconnect.exponential({ jitter: false }), 7)
      assert.deepStrictEqual(found, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    })
  )

  it.effect("with jitter: within 20% of each, and never above 30 s", () =>
    Effect.gen(function* () {
      const bases = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
      const seen = new Set<number>()
      for (let seed = 0; seed < 500; seed++) {
        const found = yield* delays(Reconnect.exponential(), bases.length).pipe(Effect.withRandom(Random.make(seed)))
        for (const [i, delay] of found.entries()) {
          const base = bases[i] ?? 0
          assert.isAtLeast(delay, base * 0.8)
          assert.isAtMost(delay, Math.min(base * 1.2, 30_000))
          seen.add(delay)
        }
      }
      assert.isAbove(seen.size, 1000, "it does jitter")
    })
  )

  it.effect("is still 30 s after two thousand attempts, when the exponential is Infinity", () =>
    Effect.gen(function* () {
      for (const jitter of [true, false]) {
        const found = yield* delays(Reconnect.exponential({ jitter }), 2000)
        for (const delay of found.slice(10)) {
          assert.isAtLeast(delay, 24_000)
          assert.isAtMost(delay, 30_000)
        }
      }
    })
  )

  it.effect("starts over after a reset, and does not because time has passed", () =>
    Effect.gen(function* () {
      const backoff = yield* Reconnect.backoff(Reconnect.exponential({ jitter: false }))
      for (let i = 0; i < 6; i++) {
        yield* backoff.next(lost)
        yield* TestClock.adjust("10 minutes")
      }
      assert.deepStrictEqual(yield* backoff.next(lost), Option.some(30_000))
      yield* backoff.reset
      assert.deepStrictEqual(yield* backoff.next(lost), Option.some(1000))
    })
  )
})

const Hz = { jitter: false } as const

describe("Client reconnects", () => {
  it.scoped("after exactly the schedule's delays", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Refused" })
      yield* makeClient({ reconnect: Reconnect.exponential(Hz) })
      yield* settle
      let dials = 1
      for (const delay of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
        assert.strictEqual(yield* network.dials, dials)
        yield* TestClock.adjust(delay - 1)
        assert.strictEqual(yield* network.dials, dials, `not before ${delay} ms`)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* network.dials, ++dials, `at ${delay} ms`)
      }
    }).pipe(Effect.provide(World))
  )

  it.scoped("and shows the delay, when it ends, and why", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* TestClock.setTime(5000)
      yield* network.reach({ _tag: "Refused" })
      const client = yield* makeClient({ reconnect: Reconnect.exponential(Hz) })
      yield* settle
      const status = yield* client.status
      assert.deepInclude(status, { _tag: "Waiting", attempt: 2, delay: 1000, until: 6000 })
      assert.strictEqual(status._tag === "Waiting" ? status.reason._tag : "", "DialFailed")
    }).pipe(Effect.provide(World))
  )

  it.scoped("the backoff goes on when a connection was Ready for less than stableAfter, and starts over at it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: Reconnect.exponential(Hz), stableAfter: "10 seconds" })
      const attempts: Array<number> = []
      const delayAfter = (ready: number) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* client.status)._tag, "Ready")
          yield* TestClock.adjust(ready)
          yield* network.cut()
          yield* settle
          const status = yield* client.status
          if (status._tag !== "Waiting") return assert.fail(status._tag)
          attempts.push(status.attempt)
          yield* TestClock.adjust(status.delay)
          return status.delay
        })
      yield* settle
      assert.strictEqual(yield* delayAfter(9999), 1000)
      assert.strictEqual(yield* delayAfter(9999), 2000, "Ready is not yet stable")
      assert.strictEqual(yield* delayAfter(0), 4000)
      assert.strictEqual(yield* delayAfter(10_000), 1000, "stable: from the start")
      assert.strictEqual(yield* delayAfter(10_000), 1000)
      assert.deepStrictEqual(attempts, [2, 3, 4, 1, 1], "attempts count as the delays do")
    }).pipe(Effect.provide(World))
  )

  it.scoped("stableAfter is 5 seconds by default, whatever the heartbeat", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* echoGateway({ heartbeatInterval: "7 seconds" })
      const client = yield* makeClient({ reconnect: Reconnect.exponential(Hz), heartbeatInterval: "7 seconds" })
      yield* settle
      const delays: Array<number> = []
      for (const ready of [0, 4999, 5000]) {
        yield* TestClock.adjust(ready)
        yield* network.cut()
        yield* settle
        const status = yield* client.status
        if (status._tag === "Waiting") delays.push(status.delay)
        yield* TestClock.adjust(delays.at(-1) ?? 0)
      }
      assert.deepStrictEqual(delays, [1000, 2000, 1000])
    }).pipe(Effect.provide(World))
  )

  it.scoped("a server's Retry-After overrides the delay", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Status", status: 503, body: "full", retryAfter: 77_000 })
      const client = yield* makeClient({ reconnect: Reconnect.exponential(Hz) })
      yield* settle
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 77_000 })
      yield* TestClock.adjust(76_999)
      assert.strictEqual(yield* network.dials, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* network.dials, 2)
    }).pipe(Effect.provide(World))
  )

  it.scoped("a Retry-After of zero does not make a loop without delay", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Status", status: 429, body: "", retryAfter: 0 })
      yield* makeClient()
      yield* TestClock.adjust(1000)
      assert.isAtMost(yield* network.dials, 11)
    }).pipe(Effect.provide(World))
  )

  for (const status of [400, 401, 403, 426, 301]) {
    it.scoped(`stops on HTTP ${status}`, () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* network.reach({ _tag: "Status", status, body: "no" })
        const client = yield* makeClient()
        const end = yield* client.ended
        assert.deepInclude(end, { _tag: "Stopped" })
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* network.dials, 1)
      }).pipe(Effect.provide(World))
    )
  }

  for (const status of [404, 408, 429, 500, 502, 503]) {
    it.scoped(`tries again after HTTP ${status}`, () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* network.reach({ _tag: "Status", status, body: "later" })
        const client = yield* makeClient()
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Waiting")
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("with a Schedule of the application's own, and gives up when it is done", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Refused" })
      const twice = Schedule.intersect(Schedule.spaced(Duration.seconds(3)), Schedule.recurs(2))
      const client = yield* makeClient({ reconnect: twice })
      const statuses = yield* collect(client.changes)
      yield* TestClock.adjust(6000)
      assert.strictEqual(yield* network.dials, 3)
      assert.strictEqual((yield* client.ended)._tag, "GaveUp")
      yield* settle
      assert.deepStrictEqual(statusTags(yield* statuses), [
        "Connecting",
        "Waiting",
        "Connecting",
        "Waiting",
        "Connecting",
        "Ended"
      ])
    }).pipe(Effect.provide(World))
  )

  it.scoped("at once when it is told to while it waits", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Refused" })
      const client = yield* makeClient()
      yield* settle
      assert.strictEqual(yield* network.dials, 1)
      yield* client.reconnect
      yield* settle
      assert.strictEqual(yield* network.dials, 2)
    }).pipe(Effect.provide(World))
  )

  it.scoped("gives up an attempt after connectTimeout", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Silent" })
      const client = yield* makeClient()
      yield* TestClock.adjust(9999)
      assert.strictEqual((yield* client.status)._tag, "Connecting")
      yield* TestClock.adjust(1)
      const status = yield* client.status
      assert.strictEqual(status._tag === "Waiting" ? status.reason._tag : status._tag, "ConnectTimeout")
    }).pipe(Effect.provide(World))
  )

  it.scoped("gives up an attempt when no welcome comes within helloTimeout of the hello", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const listener = yield* Listener.Listener
      const accept = { protocol: "holdfast.v1.json", maxFrame: 1000, closeTimeout: 1000 }
      yield* listener.listen((incoming) => void Effect.runFork(Scope.extend(incoming.accept(accept), scope)))
      const client = yield* makeClient()
      yield* TestClock.adjust(4999)
      assert.strictEqual((yield* client.status)._tag, "Connecting")
      yield* TestClock.adjust(1)
      const status = yield* client.status
      assert.strictEqual(status._tag === "Waiting" ? status.reason._tag : status._tag, "WelcomeTimeout")
    }).pipe(Effect.provide(World))
  )

  it.scoped("a token that cannot be had is a failed attempt", () =>
    Effect.gen(function* () {
      let asked = 0
      const token = Effect.suspend(() => (++asked === 1 ? Effect.fail("no token yet") : Effect.succeed("t")))
      yield* echoGateway()
      const client = yield* makeClient({ token, reconnect: Reconnect.exponential(Hz) })
      yield* settle
      const status = yield* client.status
      assert.strictEqual(status._tag === "Waiting" ? status.reason._tag : status._tag, "TokenUnavailable")
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* client.status)._tag, "Ready")
    }).pipe(Effect.provide(World))
  )

  it.scoped("ready fails when the client has ended, and can be bounded while it has not", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Refused" })
      const client = yield* makeClient()
      const bounded = yield* Effect.fork(Effect.timeout(client.ready, "3 seconds"))
      yield* TestClock.adjust(2999)
      assert.isTrue(yield* isRunning(bounded))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Effect.flip(Fiber.join(bounded)))._tag, "TimeoutException")
      yield* client.close
      assert.strictEqual((yield* Effect.flip(client.ready))._tag, "SessionClosed")
    }).pipe(Effect.provide(World))
  )
})
