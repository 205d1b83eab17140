/** The clients of a gateway that is gone come back over a time that it has told, and not all at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { echoGateway, makeClient, settle, type TestClient, World, withRandom } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const reconnect = Reconnect.exponential({ jitter: false })

/** A gateway that wants one session a second: with so many it tells that many seconds. */
const joined = (sessions: number) =>
  Effect.gen(function* () {
    yield* echoGateway({ admitRate: 1 })
    for (let others = 1; others < sessions; others++) yield* makeClient()
    yield* settle
    const client = yield* makeClient({ reconnect })
    yield* settle
    return client
  })

const delayOf = (client: TestClient) =>
  Effect.map(client.status, (status) => (status._tag === "Waiting" ? status.delay : status._tag))

describe("The first delay of a client that lost its gateway", () => {
  it.scoped("has a part of the time that was told added, and the next ones have not", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const client = yield* joined(3)
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* settle
      assert.strictEqual(yield* delayOf(client), 1000 + 1500)
      yield* TestClock.adjust(2499)
      assert.strictEqual(yield* delayOf(client), 2500)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* delayOf(client), 2000)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("has at most ten seconds added", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const client = yield* joined(25)
      yield* network.cut()
      yield* settle
      assert.strictEqual(yield* delayOf(client), 1000 + 5000)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("is cut short by a call for an attempt", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const client = yield* joined(3)
      yield* network.cut()
      yield* settle
      yield* client.reconnect
      yield* settle
      assert.strictEqual(yield* delayOf(client), "Ready")
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("is the policy's after a silence, which may be of this client alone", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const client = yield* joined(3)
      yield* network.silence("server")
      yield* TestClock.adjust(60_000)
      yield* settle
      assert.strictEqual(yield* delayOf(client), 1000)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )

  it.scoped("is the policy's where the gateway of the connection tells no time", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway()
      const client = yield* makeClient({ reconnect })
      yield* settle
      yield* network.cut()
      yield* settle
      assert.strictEqual(yield* delayOf(client), 1000)
    }).pipe(Effect.provide(World), withRandom(0.5))
  )
})
