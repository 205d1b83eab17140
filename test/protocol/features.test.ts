/** What an end knows beside the first version: it says so, uses what both know, and ignores what it does not know. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Runtime, Scope } from "effect"
import { Codec, Listener, Protocol } from "holdfast"
import * as features from "../../src/protocol/features.js"
import { join } from "../support/peer.js"
import { collect, echoGateway, makeClient, settle, statusTags, World } from "../support/virtual.js"

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

const limits = { maxMessage: 1_000_000, messages: 100, bytes: 1_000_000 }
const welcome = {
  type: "welcome",
  session: "s",
  generation: 1,
  secret: "secret",
  processed: 0,
  resumed: false,
  heartbeat: 30_000,
  deadline: 60_000,
  resumeWindow: 120_000,
  limits
}

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

  it.scoped("of a client are in each hello; those and fields of a server that it does not know are ignored", () =>
    Effect.gen(function* () {
      const more = { features: ["teleport", "client-limits"], colour: "blue", limits: { ...limits, moons: 3 } }
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
