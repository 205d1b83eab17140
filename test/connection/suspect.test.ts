/** A heartbeat that is unanswered, as both ends tell of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Runtime, TestClock } from "effect"
import { type Client, type ClientStatus, Dialer, type Gateway, type Options } from "holdfast"
import { MemoryNetwork, MemoryTransport } from "holdfast/testing"
import { join } from "../support/peer.js"
import { collect, echoGateway, makeClient, settle, World, withRandom } from "../support/virtual.js"
import { welcome } from "../support/welcome.js"

/** A client of a server that answers the hello, and then only what a test has it say. */
const clientOfMute = (options?: Options.All, told: object = {}) =>
  Effect.gen(function* () {
    const [clock, runtime, scope] = yield* Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope])
    const link = MemoryTransport.link({
      protocol: "holdfast.v1.json",
      surroundings: {
        now: () => clock.unsafeCurrentTimeMillis(),
        after: (millis, then) => {
          Runtime.runFork(runtime)(Effect.delay(Effect.sync(then), millis), { scope })
        },
        random: () => 0.5
      }
    })
    const ignore = () => {}
    link.server.run({
      message: (frame) => {
        if (String(frame).includes('"hello"')) link.server.send(JSON.stringify({ ...welcome, ...told }))
      },
      ping: ignore,
      pong: ignore,
      congested: ignore,
      drained: ignore,
      closed: ignore
    })
    const client = yield* Effect.provide(
      makeClient(options),
      Layer.succeed(Dialer.Dialer, { dial: () => Effect.succeed(link.client) })
    )
    // Its bye would not be answered.
    yield* Effect.addFinalizer(() => Effect.sync(() => link.cut()))
    yield* client.ready
    const statuses = yield* collect(client.changes)
    return { client, link, shown: Effect.map(statuses, (all) => all.map(shownOf)) }
  })

const shownOf = (status: ClientStatus.Status) =>
  status._tag === "Ready" ? (status.suspect ? "Ready, suspect" : "Ready") : status._tag

const isSuspect = (client: Client.Client<unknown, unknown>) =>
  Effect.map(client.status, (status) => status._tag === "Ready" && status.suspect)

describe("A client", () => {
  it.scoped("is suspect exactly a third of the interval after the ping that is unanswered, and says so once", () =>
    Effect.gen(function* () {
      const { client, shown } = yield* clientOfMute()
      // The ping leaves after half an interval.
      yield* TestClock.adjust(15_000 + 9_999)
      assert.deepStrictEqual(yield* shown, ["Ready"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect"])
      assert.deepInclude(yield* client.status, { _tag: "Ready", session: "s", generation: 1, since: 0, suspect: true })
      // Another ping leaves at 45 s; the first is still the one that counts.
      yield* TestClock.adjust(59_999 - 25_000)
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect"])
    }).pipe(withRandom(0.5))
  )

  it.scoped("finds its peer dead when it would have without being suspect, and not before", () =>
    Effect.gen(function* () {
      const { client, shown } = yield* clientOfMute()
      yield* TestClock.adjust(59_999)
      assert.isTrue(yield* isSuspect(client))
      yield* TestClock.adjust(1)
      const status = yield* client.status
      assert.strictEqual(status._tag, "Waiting")
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, {
        _tag: "ReadDeadlineExceeded",
        lastActivity: 0,
        deadline: 60_000
      })
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect", "Waiting"])
    }).pipe(withRandom(0.5))
  )

  for (const [what, act] of [
    ["a pong", (link: MemoryTransport.Link) => link.server.pong?.(new Uint8Array([0, 0, 0, 1]))],
    ["a pong of another ping", (link: MemoryTransport.Link) => link.server.pong?.(new Uint8Array(0))],
    ["a ping", (link: MemoryTransport.Link) => link.server.ping?.(new Uint8Array(0))],
    ["a message", (link: MemoryTransport.Link) => link.server.send(JSON.stringify({ type: "ping", id: 1 }))]
  ] as const) {
    it.scoped(`is not suspect any more as soon as ${what} comes, nor if it comes in time`, () =>
      Effect.gen(function* () {
        const { link, shown } = yield* clientOfMute()
        yield* TestClock.adjust(24_999)
        act(link)
        yield* TestClock.adjust(45_000 + 9_999 - 24_999)
        assert.deepStrictEqual(yield* shown, ["Ready"])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect"])
        act(link)
        yield* settle
        assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect", "Ready"])
        // The next ping, at 75 s, is unanswered, too.
        yield* TestClock.adjust(85_000 - 55_000 - 1)
        assert.lengthOf(yield* shown, 3)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect", "Ready", "Ready, suspect"])
      }).pipe(withRandom(0.5))
    )
  }

  it.scoped("is not suspect any more as soon as a part of a message comes that is not whole", () =>
    Effect.gen(function* () {
      const { link, shown } = yield* clientOfMute()
      yield* TestClock.adjust(25_000)
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect"])
      // Of two pieces of 16 KiB the first comes after a second.
      link.conditions({ bandwidth: 16 * 1024 }, "server")
      link.server.send("x".repeat(32 * 1024))
      yield* TestClock.adjust(999)
      assert.lengthOf(yield* shown, 2)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect", "Ready"])
    }).pipe(withRandom(0.5))
  )

  it.scoped("takes suspectAfter from its option, which may be longer than the interval", () =>
    Effect.gen(function* () {
      const { link, shown } = yield* clientOfMute({ suspectAfter: "40 seconds" })
      // Answers the ping of 15 s only after that of 45 s has left.
      yield* TestClock.adjust(44_999)
      link.server.pong?.(new Uint8Array([0, 0, 0, 1]))
      yield* TestClock.adjust(1 + 39_999)
      assert.deepStrictEqual(yield* shown, ["Ready"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* shown, ["Ready", "Ready, suspect"])
    }).pipe(withRandom(0.5))
  )

  it.scoped("takes a third of its server's interval where that is shorter, and what was asked for as it is", () =>
    Effect.gen(function* () {
      const server = { heartbeat: 6000, deadline: 60_000 }
      const one = yield* clientOfMute({}, server)
      const other = yield* clientOfMute({ suspectAfter: "5 seconds" }, server)
      assert.deepInclude((yield* one.client.stats).connection, { heartbeatInterval: 6000, suspectAfter: 2000 })
      yield* TestClock.adjust(3000 + 1999)
      assert.isFalse(yield* isSuspect(one.client))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* isSuspect(one.client))
      yield* TestClock.adjust(2999)
      assert.isFalse(yield* isSuspect(other.client))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* isSuspect(other.client))
    }).pipe(withRandom(0.5))
  )

  it.scoped("is not suspect of a connection that is over, nor at the beginning of the next", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { gateway } = yield* echoGateway()
      const client = yield* makeClient()
      yield* client.ready
      const link = yield* network.latest
      link.silence("server")
      yield* TestClock.adjust(24_999)
      link.cut()
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Waiting")
      yield* TestClock.adjust(10_000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2, suspect: false })
      yield* TestClock.adjust(300_000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2, suspect: false })
      assert.strictEqual((yield* gateway.stats).connections, 1)
    }).pipe(withRandom(0.5), Effect.provide(World))
  )
})

const infoOf = (gateway: Gateway.Gateway<unknown>) =>
  Effect.gen(function* () {
    const [session] = yield* gateway.sessions
    return (yield* session?.info ?? Effect.die("no session")).connection
  })

describe("A gateway", () => {
  it.scoped("calls a connection suspect from exactly suspectAfter after an unanswered ping until something comes", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway({ suspectAfter: "7 seconds" })
      const network = yield* MemoryNetwork.MemoryNetwork
      const { peer } = yield* join()
      const link = yield* network.latest
      link.silence("client")
      yield* TestClock.adjust(15_000 + 6_999)
      assert.deepInclude(yield* infoOf(gateway), { suspect: false })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* infoOf(gateway), { suspect: true })
      // Beyond the next ping.
      yield* TestClock.adjust(24_000)
      assert.deepInclude(yield* infoOf(gateway), { suspect: true, heartbeatsMissed: 1 })
      link.heal("client")
      yield* settle
      assert.deepInclude(yield* infoOf(gateway), { suspect: false })
      yield* peer.leave
      assert.isUndefined(yield* infoOf(gateway))
    }).pipe(withRandom(0.5), Effect.provide(World))
  )
})
