/** Refusals: a client hears of each, whatever becomes of its connection and its gateway, and never that it was processed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Codec, Gateway, Messages, Outcome, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { Refusals } from "../../src/gateway/session/refusals.js"
import { clientOf, node, type Store } from "../support/manyGateways.js"
import { greet } from "../support/peer.js"
import { collect, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const refusing = {
  onMessage: (message: unknown) => (message === "no" ? Effect.fail("no") : Effect.void),
  onFailure: () => Outcome.refuse("no", "as it was told to")
} as {} // what it may fail with is no option of the support

const makeGateway = (options: object = {}) =>
  Gateway.make({
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    onMessage: (message: unknown) => (message === "no" ? Effect.fail("no") : Effect.void),
    onFailure: () => Outcome.refuse("no", "as it was told to"),
    ...options
  })

const delivered = (client: TestClient, message: unknown) => Effect.fork(Effect.flip(client.deliver(message)))

const assertRefused = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.map(Fiber.join(fiber), (error) =>
    assert.deepInclude(error, { _tag: "MessageRefused", code: "no", reason: "as it was told to" })
  )

/** A store that takes 200 ms to note what was processed. */
const slow = (store: Store, told: Array<unknown>): Store => ({
  ...store,
  acknowledge: (id, generation, progress) =>
    Effect.suspend(() => {
      told.push(progress.refused?.messages.map(({ seq }) => seq))
      return Effect.delay(store.acknowledge(id, generation, progress), 200)
    })
})

/** Has the gateway's connection take nothing more. */
const stalled = (gateway: Gateway.Gateway<unknown>) =>
  Effect.gen(function* () {
    const link = yield* (yield* MemoryNetwork.MemoryNetwork).latest
    link.stall("server")
    const [session] = yield* gateway.sessions
    yield* session?.send("what fills the connection") ?? Effect.void
    yield* settle
    return link
  })

describe("A refusal", () => {
  it.scoped("that was lost with its connection is told by the gateway that resumes the session", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const first = yield* node(store, refusing)
      const second = yield* node(store, refusing)
      const { client, moveTo } = yield* clientOf(first)
      const link = yield* first.network.latest
      // Nothing of what the gateway says arrives.
      link.stall("server")
      const no = yield* delivered(client, "no")
      yield* settle
      assert.strictEqual((yield* client.stats).acknowledged, 0)
      yield* moveTo(second)
      yield* settle
      assert.deepStrictEqual(second.handled, [], "it was processed, and does not come again")
      yield* assertRefused(no)
    })
  )

  it.scoped("is told when the store has it, and not before: who has heard it does not hear something else later", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      const store = slow(yield* SessionStore.makeMemory(), told)
      yield* makeGateway().pipe(Effect.provideService(SessionStore.SessionStore, store))
      const peer = yield* greet()
      yield* peer.say({ type: "data", seq: 1, ack: 0, confirm: true, body: "no" })
      yield* TestClock.adjust(199)
      assert.deepStrictEqual([...peer.said("error"), ...peer.said("ack").filter(({ ack }) => ack === 1)], [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(told, [[1]])
      assert.deepInclude(peer.said("error")[0], { seq: 1, code: "no" })
      assert.deepInclude(peer.said("ack").at(-1), { ack: 1 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("waits for a connection that takes nothing now, and the acknowledgement behind it", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ highWaterMark: 1 })
      const client = yield* makeClient()
      yield* settle
      const link = yield* stalled(gateway)
      const no = yield* delivered(client, "no")
      const yes = yield* Effect.fork(client.deliver("yes"))
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.stats, { acknowledged: 0 })
      link.release("server")
      yield* settle
      yield* assertRefused(no)
      yield* Fiber.join(yes)
    }).pipe(Effect.provide(World))
  )

  it.scoped("that waits for its connection is in the welcome of the next", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const gateway = yield* makeGateway({ highWaterMark: 1 })
      const client = yield* makeClient()
      const events = yield* collect(client.events)
      yield* settle
      yield* stalled(gateway)
      const no = yield* delivered(client, "no")
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(2000)
      yield* assertRefused(no)
      assert.deepStrictEqual(
        (yield* events).map(({ _tag }) => _tag),
        ["Refused"]
      )
    }).pipe(Effect.provide(World))
  )
})

describe("The refusals that are kept", () => {
  it("are those of the last window", () => {
    const refusals = new Refusals(3, [{ seq: 1, code: "a", reason: "" }])
    for (const seq of [2, 4, 5]) refusals.add(seq, "b", `${seq}`)
    assert.deepStrictEqual(
      refusals.between(0, 9).map(({ seq }) => seq),
      [4, 5]
    )
    assert.deepStrictEqual(refusals.between(5, 9), [])
    assert.deepStrictEqual(
      refusals.missed(5, 5, 1000, Codec.json)?.map(({ seq }) => seq),
      [5]
    )
    assert.deepStrictEqual(refusals.missed(5, 4, 1000, Codec.json), [])
  })
})
