/** What a client counts, through resumes and resets. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream, TestClock } from "effect"
import { Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, echoGateway, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const oneSecond = Reconnect.exponential({ jitter: false })

const counts = (client: TestClient) =>
  Effect.map(client.stats, ({ acknowledged, processed, received, replayed, sent, suppressed, unacknowledged }) => ({
    sent,
    acknowledged,
    unacknowledged,
    received,
    processed,
    replayed,
    suppressed
  }))

const none = { messages: 0, bytes: 0 }

describe("client.stats", () => {
  it.scoped("counts what was accepted, acknowledged, received and processed", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.send("é")
      yield* client.send("two")
      const before = yield* counts(client)
      assert.deepInclude(before, { sent: 2, acknowledged: 0, unacknowledged: { messages: 2, bytes: 4 + 5 } })
      yield* TestClock.adjust(50)
      yield* Stream.runDrain(Stream.take(client.messages, 1))
      assert.deepStrictEqual(yield* counts(client), {
        sent: 2,
        acknowledged: 2,
        unacknowledged: none,
        received: 2,
        processed: 1,
        replayed: 0,
        suppressed: 0
      })
    }).pipe(Effect.provide(World))
  )

  it.scoped("goes on counting through a resume, and tells what went twice", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* collect(client.messages)
      yield* client.deliver(1)
      yield* TestClock.adjust(50)
      const link = yield* network.latest
      link.silence("server")
      // Handled, and neither the acknowledgement nor the echo arrives.
      yield* client.send(2)
      yield* settle
      // Nothing of this leaves at all.
      yield* network.cut()
      yield* settle
      yield* client.send(3)
      assert.isUndefined((yield* client.stats).connection)
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(yield* counts(client), {
        sent: 3,
        acknowledged: 3,
        unacknowledged: none,
        received: 3,
        processed: 3,
        replayed: 0,
        suppressed: 0
      })
      // Acknowledgements of the client's are held up: what it has is sent again.
      ;(yield* network.latest).silence("client")
      yield* client.send(4)
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* counts(client), { sent: 4, acknowledged: 4, received: 4, processed: 4, replayed: 1 })
      assert.deepInclude((yield* client.stats).connection ?? {}, { heartbeatInterval: 30_000, readDeadline: 60_000 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("begins anew with a new session, but for what went twice", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway({ resumeWindow: "1 minute" })
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* collect(client.messages)
      for (const n of [1, 2, 3]) yield* client.deliver(n)
      ;(yield* network.latest).silence("client")
      yield* client.send(4)
      yield* settle
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* settle
      yield* client.send(5)
      yield* TestClock.adjust("2 minutes")
      assert.deepInclude(yield* counts(client), { sent: 5, acknowledged: 3, received: 3 })
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* counts(client), {
        sent: 1,
        acknowledged: 1,
        unacknowledged: none,
        received: 1,
        processed: 1,
        replayed: 0,
        suppressed: 0
      })
    }).pipe(Effect.provide(World))
  )

  it.scoped("has no connection before the welcome, and none after the end", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* makeClient()
      assert.isUndefined((yield* client.stats).connection)
      yield* settle
      assert.isDefined((yield* client.stats).connection)
      yield* client.close
      assert.isUndefined((yield* client.stats).connection)
    }).pipe(Effect.provide(World))
  )
})
