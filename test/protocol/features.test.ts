/** What an end knows beside the first version: it says so, uses what both know, and ignores what it does not know. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Runtime, Scope, TestClock } from "effect"
import { Codec, Listener, Protocol, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import * as features from "../../src/protocol/features.js"
import { greet, join } from "../support/peer.js"
import { collect, echoGateway, makeClient, settle, statusTags, World } from "../support/virtual.js"
import { welcome } from "../support/welcome.js"

const unknown = { features: ["request-limits", "teleport", ""], colour: "blue", limits: { maxMessage: 9, moons: 3 } }

/** A server that answers each hello with this welcome; `heard` is what clients say. */
const server = (more: object) =>
  Effect.gen(function* () {
    const listener = yield* Listener.Listener
    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const heard: Array<Record<string, unknown>> = []
    const closed: Array<number> = []
    const say: Array<(message: object) => void> = []
    yield* listener.listen((incoming) => {
      const accepted = incoming.accept({ protocol: Codec.json.subprotocol, maxFrame: 1_000_000, closeTimeout: 1000 })
      const serve = Effect.map(Effect.orDie(Scope.extend(accepted, scope)), (transport) => {
        say.push((message) => transport.send(JSON.stringify(message)))
        transport.run({
          message: (frame) => {
            const message = JSON.parse(String(frame)) as Record<string, unknown>
            heard.push(message)
            if (message["type"] === "hello") transport.send(JSON.stringify({ ...welcome, ...more }))
          },
          ping: (payload) => transport.pong?.(payload),
          pong: () => {},
          congested: () => {},
          drained: () => {},
          closed: ({ code }) => void closed.push(code)
        })
      })
      Runtime.runFork(runtime)(serve)
    })
    return { heard, closed, say: (message: object) => say.at(-1)?.(message) }
  })

describe("Features", () => {
  it("are what both ends have named", () => {
    assert.deepStrictEqual([...features.shared(undefined)], [])
    assert.deepStrictEqual([...features.shared([])], [])
    assert.deepStrictEqual([...features.shared(["teleport", "request-limits"])], ["request-limits"])
    assert.deepStrictEqual([...features.shared([...Protocol.features, "teleport"])], [...Protocol.features])
  })

  it.scoped("of a gateway are in each welcome, whatever the hello names", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      for (const hello of [{}, { features: [] }, unknown, { features: [...Protocol.features] }]) {
        const { welcome } = yield* join(hello)
        assert.deepStrictEqual(welcome["features"], [...Protocol.features])
      }
    }).pipe(Effect.provide(World))
  )

  it.scoped("and fields that a gateway does not know are ignored, and the session works", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { peer } = yield* join(unknown)
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "x", colour: "blue" })
      assert.deepInclude(peer.said("data")[0], { seq: 1, body: "x" })
      assert.isUndefined(peer.closed())
      // A type that it does not know is still a violation, of one that names features it does not know, too.
      yield* peer.say({ type: "teleport" })
      assert.strictEqual(peer.closed()?.code, 4400)
    }).pipe(Effect.provide(World))
  )

  it.scoped("that are no names, or too many, are a violation", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      for (const named of ["request-limits", [1], ["x".repeat(65)], Array.from({ length: 65 }, String), null]) {
        const failed = yield* Effect.exit(join({ features: named }))
        assert.strictEqual(failed._tag, "Failure", JSON.stringify(named))
      }
    }).pipe(Effect.provide(World))
  )

  const most = Array.from({ length: 64 }, (_, at) => `${at}`.padEnd(64, "é"))
  const tooMuch: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["65 names", [...most, "one more"]],
    ["a name of 65 characters", ["x".repeat(65)]]
  ]
  it.scoped("of a client may be 64 names of 64 characters", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { peer } = yield* join({ features: most })
      assert.isUndefined(peer.closed())
    }).pipe(Effect.provide(World))
  )

  it.scoped("of a server may be 64 names of 64 characters", () =>
    Effect.gen(function* () {
      const { closed } = yield* server({ features: most })
      const client = yield* makeClient()
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.deepStrictEqual(closed, [])
    }).pipe(Effect.provide(World))
  )

  for (const [what, named] of tooMuch) {
    it.scoped(`of ${what} are a violation in a hello, 4400`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const peer = yield* greet({ features: named })
        assert.deepInclude(peer.closed() ?? {}, { code: 4400 })
      }).pipe(Effect.provide(World))
    )

    it.scoped(`of ${what} are a violation in a welcome, 4400`, () =>
      Effect.gen(function* () {
        const { closed } = yield* server({ features: named })
        const client = yield* makeClient()
        yield* settle
        assert.deepStrictEqual(closed, [4400])
        assert.strictEqual((yield* client.status)._tag, "Ended")
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("of a client are in each hello; those and fields of a server that it does not know are ignored", () =>
    Effect.gen(function* () {
      const more = { features: ["teleport", "client-limits"], colour: "blue", limits: { ...welcome.limits, moons: 3 } }
      const { closed, heard, say } = yield* server(more)
      const client = yield* makeClient()
      const statuses = yield* collect(client.changes)
      yield* settle
      yield* client.send("x")
      yield* settle
      assert.deepStrictEqual(heard[0]?.["features"], [...Protocol.features])
      assert.isTrue(heard.some(({ type }) => type === "data"))
      assert.deepStrictEqual(closed, [])
      say({ type: "teleport" })
      yield* settle
      assert.deepStrictEqual(closed, [4400])
      assert.deepStrictEqual(statusTags(yield* statuses).slice(-2), ["Ready", "Ended"])
    }).pipe(Effect.provide(World))
  )
})

describe("An error whose code a client does not know", () => {
  it.scoped("refuses the message that it names, and the session goes on", () =>
    Effect.gen(function* () {
      const { closed, heard, say } = yield* server({})
      const client = yield* makeClient()
      const events = yield* collect(client.events)
      const delivery = yield* Effect.fork(Effect.flip(client.deliver("x")))
      yield* settle
      const refusal = { code: "teleported", reason: "nobody knows" }
      say({ type: "error", ...refusal, seq: 1 })
      say({ type: "ack", ack: 1 })
      yield* settle
      assert.deepInclude(yield* Fiber.join(delivery), { _tag: "MessageRefused", ...refusal })
      assert.deepStrictEqual(yield* events, [{ _tag: "Refused", ...refusal, seq: 1 }])
      yield* client.send("y")
      yield* settle
      assert.deepInclude(heard.at(-1) ?? {}, { type: "data", seq: 2, body: "y" })
      assert.deepStrictEqual(closed, [])
    }).pipe(Effect.provide(World))
  )
})

describe("After a server's goaway and before its close", () => {
  it.scoped("a client sends, takes and acknowledges as before, and connects anew only after the close", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { heard, say } = yield* server({})
      const client = yield* makeClient({ reconnect: Reconnect.exponential({ jitter: false }) })
      const messages = yield* collect(client.messages)
      yield* settle
      say({ type: "goaway", retryAfter: 2000, reason: "soon" })
      yield* TestClock.adjust(10_000)
      const delivery = yield* Effect.fork(client.deliver("x"))
      say({ type: "data", seq: 1, ack: 0, confirm: true, body: "y" })
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* messages, ["y"])
      assert.deepInclude(heard.find(({ type }) => type === "data") ?? {}, { seq: 1, body: "x" })
      assert.deepInclude(heard.at(-1) ?? {}, { type: "ack", ack: 1 })
      say({ type: "ack", ack: 1 })
      yield* Fiber.join(delivery)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.strictEqual(yield* network.dials, 1)
      const link = yield* network.latest
      link.server.close(1012, "")
      yield* TestClock.adjust(1999)
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 2000 })
      assert.strictEqual(yield* network.dials, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* network.dials, 2)
    }).pipe(Effect.provide(World))
  )
})
