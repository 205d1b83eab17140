/** Requests about topics: their rate, how many wait, what their answers cost, and a client that keeps to all of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock, TestContext } from "effect"
import * as fc from "fast-check"
import { Codec, Gateway } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { MemberSnapshot } from "../../src/gateway/topics/memberSnapshot.js"
import { join, type Peer } from "../support/peer.js"
import {
  Any,
  connect,
  Elsewhere,
  follow,
  makeGateway,
  Room,
  range,
  rooms,
  TopicWorld,
  worlds
} from "../support/topics.js"
import { collect } from "../support/virtual.js"

const features = ["request-limits"]
const unsubscribe = (id: number) => ({ type: "unsubscribe", id, topic: "rooms/a" })
const answers = (peer: Peer) => peer.said("error").length + peer.said("subscribed").length

const ask = (peer: Peer, from: number, to: number) =>
  Effect.forEach(range(from, to), (id) => peer.say(unsubscribe(id)), { discard: true })

describe("A gateway's requests", () => {
  for (const [what, topics] of [
    ["with topics", [rooms()]],
    ["without topics", []]
  ] as const) {
    it.scoped(`${what}: a second's worth is answered at once, the others wait for the rate; none is a message`, () =>
      Effect.gen(function* () {
        yield* makeGateway(undefined, { requestRate: 10, messageRate: 2, replayMessages: 1, topics })
        const { peer, welcome } = yield* join({ features })
        assert.deepInclude(welcome["limits"], { requestRate: 10, requests: 2048 })
        yield* ask(peer, 1, 30)
        assert.strictEqual(answers(peer), 10)
        for (const more of range(1, 20)) {
          yield* TestClock.adjust(99)
          assert.strictEqual(answers(peer), 9 + more)
          yield* TestClock.adjust(1)
          assert.strictEqual(answers(peer), 10 + more)
        }
        assert.isUndefined(peer.closed())
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("that wait are bounded: one more than `maxRequests` is a violation", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, { requestRate: 10, maxRequests: 5 })
      const { peer } = yield* join({ features })
      yield* ask(peer, 1, 15)
      assert.isUndefined(peer.closed())
      yield* ask(peer, 16, 16)
      assert.strictEqual(peer.closed()?.code, 4400)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped(
    "of a client that was told no limit of them may wait in greater number: a window, and 3 for each topic",
    () =>
      Effect.gen(function* () {
        yield* makeGateway(undefined, {
          requestRate: 10,
          messageRate: 1000,
          maxRequests: 5,
          replayMessages: 4,
          maxSubscriptions: 2
        })
        const { peer } = yield* join()
        // Ten of a second's worth are answered, and 4 + 3 × 2 wait.
        yield* ask(peer, 1, 20)
        assert.isUndefined(peer.closed())
        assert.strictEqual(answers(peer), 10)
        yield* ask(peer, 21, 21)
        assert.strictEqual(peer.closed()?.code, 4400)
      }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a client that was told no limit of them are never fewer than `maxRequests`", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        requestRate: 10,
        messageRate: 1000,
        maxRequests: 15,
        replayMessages: 4,
        maxSubscriptions: 2
      })
      const { peer } = yield* join()
      yield* ask(peer, 1, 25)
      assert.isUndefined(peer.closed())
      yield* ask(peer, 26, 26)
      assert.strictEqual(peer.closed()?.code, 4400)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("pay for what they are answered with: the next ones wait", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        requestRate: 10,
        topics: [Gateway.topic(Any, { subscribe: Gateway.allow })]
      })
      const elsewhere = yield* Elsewhere
      for (let n = 0; n < 3; n++) yield* elsewhere.publish("any/a", JSON.stringify("x".repeat(5000)))
      const { peer } = yield* join({ features })
      yield* peer.say({ type: "subscribe", id: 1, topic: "any/a", since: "oldest" })
      assert.lengthOf(peer.said("publication"), 3)
      // One, and three for 15,000 bytes.
      yield* ask(peer, 2, 20)
      assert.strictEqual(answers(peer), 1 + 6)
      yield* TestClock.adjust(100)
      assert.strictEqual(answers(peer), 1 + 7)
    }).pipe(Effect.provide(TopicWorld))
  )

  it("have members encoded once for a position, as the codec encodes them", () => {
    const members = [{ session: "s", principal: "ä" }]
    const position = { epoch: "e", offset: 3 }
    for (const codec of [Codec.json, Codec.msgpack]) {
      let asked = 0
      const counting: Codec.Codec = {
        ...codec,
        payload: (body) => {
          if (body === members) asked++
          return codec.payload(body)
        }
      }
      const snapshot = new MemberSnapshot(position, members)
      for (const id of [7, 70_000]) {
        const answer = {
          type: "subscribed",
          id,
          topic: "r#presence",
          position,
          recovered: true,
          policy: "latest"
        } as const
        const { frame, size } = snapshot.frame(counting, answer)
        assert.deepStrictEqual<unknown>(codec.decode(frame), { ...answer, members })
        assert.strictEqual(size, Codec.byteLength(frame))
      }
      assert.strictEqual(asked, 1)
    }
  })
})

const low = [
  { messageRate: 20, replayMessages: 16 },
  { messageRate: 40, replayMessages: 2, requestRate: 7, maxRequests: 1 },
  {
    messageRate: 1000,
    replayMessages: 16,
    requestRate: 20,
    maxRequests: 3,
    byteRate: 2000,
    maxMessage: 500,
    replayBytes: 600
  }
]

/** With a broker that takes its time requests are in flight at the same time. */
const neverBreaks = (limits: Parameters<typeof makeGateway>[1], when: keyof typeof worlds) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const gateway = yield* makeGateway({ presence: true }, limits)
    const client = yield* connect()
    const statuses = yield* collect(client.changes)
    const topic = (n: number) => Room.at({ room: String(n) })
    const subscribed = yield* Effect.forEach(range(1, 30), (n) => follow(client.subscribe(topic(n))))
    const watching = yield* follow(client.presence(topic(1)))
    const published = yield* Effect.forEach(range(1, 30), (n) => Effect.fork(client.publish(topic(n), n)))
    yield* Effect.fork(Effect.forEach(range(1, 30), (n) => client.send(n), { discard: true }))
    for (const _ of range(1, 3)) {
      yield* TestClock.adjust(700)
      yield* network.cut()
      for (const { stop } of subscribed.splice(0, 3)) yield* stop
      // Taken up and given up before the server hears of it.
      yield* (yield* follow(client.subscribe(topic(99)))).stop
      yield* TestClock.adjust(2500)
    }
    yield* TestClock.adjust("2 minutes")
    for (const fiber of published) assert.isTrue((yield* Effect.exit(fiber.await))._tag === "Success")
    for (const status of yield* statuses) {
      const end = status._tag === "Waiting" ? status.reason : undefined
      if (end !== undefined) assert.strictEqual(end._tag, "ConnectionLost", end.message)
      assert.notStrictEqual(status._tag, "Ended")
    }
    for (const { end } of [...subscribed, watching]) assert.isUndefined(end())
    const [session] = yield* gateway.sessions
    const { subscriptions = [], unprocessed } = session === undefined ? {} : yield* session.info
    assert.deepStrictEqual(
      [...subscriptions].sort(),
      [...range(10, 30).map((n) => `rooms/${n}`), "rooms/1#presence"].sort()
    )
    assert.strictEqual(unprocessed, 0)
    // What it gives up at its end is told to the broker, which takes its time.
    yield* Effect.fork(client.close)
    yield* TestClock.adjust("10 seconds")
  }).pipe(Effect.scoped, Effect.provide(worlds[when]))

/** Any that let it be done within the two minutes. */
const drawn = fc.record(
  {
    messageRate: fc.integer({ min: 5, max: 1000 }),
    requestRate: fc.integer({ min: 2, max: 200 }),
    maxRequests: fc.integer({ min: 1, max: 64 }),
    replayMessages: fc.integer({ min: 1, max: 64 }),
    byteRate: fc.integer({ min: 1000, max: 100_000 }),
    maxMessage: fc.integer({ min: 200, max: 2000 }),
    replayBytes: fc.integer({ min: 200, max: 4000 })
  },
  { requiredKeys: [] }
)

describe("A client", () => {
  for (const limits of low) {
    for (const when of ["at once", "a slow broker"] as const) {
      it.effect(
        `never breaks the limits ${JSON.stringify(limits)}, whatever it does, and all is done in the end (${when})`,
        () => neverBreaks(limits, when)
      )
    }
  }

  it("never breaks its server's limits, whatever they are", async () => {
    const whens = fc.constantFrom(...(Object.keys(worlds) as Array<keyof typeof worlds>))
    const law = fc.asyncProperty(drawn, whens, (limits, when) =>
      Effect.runPromise(Effect.provide(neverBreaks(limits, when), TestContext.TestContext))
    )
    await fc.assert(law, { numRuns: 6 })
  })
})
