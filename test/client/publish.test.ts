import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { Broker, Codec, Gateway, type Protocol } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { Any, away, connect, lobby, logged, makeGateway, range, TopicWorld } from "../support/topics.js"
import { isRunning, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

describe("client.publish", () => {
  it.scoped("accepted while the client is away is published when it is back, in order", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const publishing = yield* away(
        client,
        Effect.forEach(range(1, 5), (n) => Effect.zipLeft(Effect.fork(client.publish(lobby, n)), Effect.yieldNow()))
      )
      const offsets = yield* Effect.forEach(publishing, (fiber) =>
        Effect.map(Fiber.join(fiber), ({ offset }) => offset)
      )
      assert.deepStrictEqual(offsets, range(1, 5))
      assert.deepStrictEqual(yield* logged(), range(1, 5))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("publishes each once, in order, through cuts at any point", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* makeGateway()
      const client = yield* connect()
      const publishing: Array<Fiber.Fiber<Protocol.Position, unknown>> = []
      for (let i = 1; i <= 60; i++) {
        publishing.push(yield* Effect.fork(client.publish(lobby, i)))
        for (let turn = 0; turn < i % 7; turn++) yield* Effect.promise(() => Promise.resolve())
        if (i % 4 === 0) yield* network.cut()
        if (i % 6 === 0) yield* TestClock.adjust(1000)
      }
      yield* TestClock.adjust(60_000)
      const offsets = yield* Effect.forEach(publishing, (fiber) =>
        Effect.map(Fiber.join(fiber), ({ offset }) => offset)
      )
      assert.deepStrictEqual(offsets, range(1, 60))
      assert.deepStrictEqual(yield* logged(), range(1, 60))
    }).pipe(Effect.provide(TopicWorld))
  )

  const forgetful = Layer.provideMerge(Layer.effect(Broker.Broker, Broker.makeMemory({ keyWindow: 60_000 })), World)

  for (const [after, expected] of [
    [49_999, "published once"],
    [50_000, "OutcomeUnknown"]
  ] as const) {
    it.scoped(`unanswered for ${after} ms of a key window of 60 s is ${expected}`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const gateway = yield* makeGateway()
        const client = yield* connect()
        const link = yield* network.latest
        link.silence("server")
        const publishing = yield* Effect.fork(Effect.either(client.publish(lobby, 1)))
        yield* settle
        yield* away(client, TestClock.adjust(after))
        const fate = yield* Fiber.join(publishing)
        if (after === 49_999) assert.strictEqual(fate._tag === "Right" ? fate.right.offset : fate.left, 1)
        else assert.strictEqual(fate._tag === "Left" ? fate.left._tag : fate.right, "OutcomeUnknown")
        assert.lengthOf((yield* gateway.history(lobby)).publications, 1)
      }).pipe(Effect.provide(forgetful))
    )
  }

  it.scoped("never written is NotSent when the client ends; written and unanswered, OutcomeUnknown", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* makeGateway()
      const client = yield* connect()
      const link = yield* network.latest
      link.silence("server")
      const written = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
      yield* settle
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* settle
      const never = yield* Effect.fork(Effect.flip(client.publish(lobby, 2)))
      yield* settle
      yield* client.close
      assert.strictEqual((yield* Fiber.join(written))._tag, "OutcomeUnknown")
      assert.strictEqual((yield* Fiber.join(never))._tag, "NotSent")
      assert.strictEqual((yield* Effect.flip(client.publish(lobby, 3)))._tag, "NotSent")
      assert.deepStrictEqual(yield* logged(), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("interrupted before it was written is not published, and those behind it are", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const second = yield* away(
        client,
        Effect.gen(function* () {
          const first = yield* Effect.fork(client.publish(lobby, 1))
          const second = yield* Effect.fork(client.publish(lobby, 2))
          yield* settle
          yield* Fiber.interrupt(first)
          return second
        })
      )
      assert.strictEqual((yield* Fiber.join(second)).offset, 1)
      assert.deepStrictEqual(yield* logged(), [2])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("has no more unanswered than the server's limits allow, and all come through", () =>
    Effect.gen(function* () {
      yield* makeGateway({ publish: () => Effect.sleep(10) }, { replayMessages: 3, maxSubscriptions: 1 })
      const client = yield* connect()
      const publishing = yield* Effect.forEach(range(1, 50), (n) =>
        Effect.zipLeft(Effect.fork(client.publish(lobby, n)), Effect.yieldNow())
      )
      yield* TestClock.adjust(1000)
      for (const fiber of publishing) assert.isFalse(yield* isRunning(fiber))
      assert.deepStrictEqual(yield* logged(), range(1, 50))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("under a key of one's own publishes once; with another value it is refused", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const [ann, bob] = [yield* connect(), yield* connect()]
      const first = yield* ann.publish(lobby, 1, { key: "k" })
      assert.deepStrictEqual(yield* bob.publish(lobby, 1, { key: "k" }), first)
      const reused = yield* Effect.flip(ann.publish(lobby, 2, { key: "k" }))
      assert.deepInclude(reused, { _tag: "TopicRefused", code: "key-reused" })
      assert.deepStrictEqual(yield* logged(), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const key of ["", "x".repeat(129)]) {
    it.scoped(`with a key of ${key.length} characters is refused here, and costs no connection`, () =>
      Effect.gen(function* () {
        yield* makeGateway()
        const client = yield* connect()
        const refused = yield* Effect.fork(Effect.flip(client.publish(lobby, 1, { key })))
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Ready")
        assert.deepInclude(yield* Fiber.join(refused), { _tag: "TopicRefused", code: "malformed-key" })
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped(
    "of what is too large for the server is refused, also when it was accepted before the limit was known",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* makeGateway(undefined, {
          maxMessage: 1000,
          topics: [Gateway.topic(Any, { subscribe: Gateway.allow, publish: Gateway.allow })]
        })
        yield* network.reach({ _tag: "Refused" })
        const client = yield* connect()
        const topic = Any.at({ name: "x" })
        const early = yield* Effect.fork(Effect.either(client.publish(topic, "x".repeat(5000))))
        const fits = yield* Effect.fork(client.publish(topic, "x".repeat(997)))
        yield* settle
        yield* network.reach({ _tag: "Open" })
        yield* TestClock.adjust(5000)
        assert.strictEqual((yield* client.status)._tag, "Ready")
        const fate = yield* Fiber.join(early)
        assert.deepInclude(fate._tag === "Left" ? fate.left : {}, { code: "too-large" })
        assert.strictEqual((yield* Fiber.join(fits)).offset, 1)
        assert.strictEqual((yield* Effect.flip(client.publish(topic, "x".repeat(998))))._tag, "MessageTooLarge")
      }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a value that has no JSON form fails, in both subprotocols alike", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        topics: [Gateway.topic(Any, { subscribe: Gateway.allow, publish: Gateway.allow })]
      })
      const cycle: Array<unknown> = []
      cycle.push(cycle)
      for (const codec of ["json", "msgpack"] as const) {
        const client = yield* connect({ codec: Codec[codec] })
        const topic = Any.at({ name: codec })
        for (const value of [
          undefined,
          Number.NaN,
          2n ** 60n,
          new Uint8Array(3),
          () => 1,
          cycle,
          { a: [Symbol("x")] }
        ]) {
          assert.strictEqual(
            (yield* Effect.flip(client.publish(topic, value)))._tag,
            "MessageInvalid",
            String(typeof value)
          )
        }
        const value = { a: [1, -1.5, 2 ** 40, null, true, "é😀"], b: undefined, big: 5n }
        yield* client.publish(topic, value)
        const got = yield* Stream.runHead(client.subscribe(topic, { since: "oldest" }))
        assert.deepStrictEqual(got._tag === "Some" ? got.value.value : undefined, {
          a: [1, -1.5, 2 ** 40, null, true, "é😀"],
          big: 5
        })
      }
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a value with a field `__proto__` brings it as a field like any other, in both subprotocols", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        topics: [Gateway.topic(Any, { subscribe: Gateway.allow, publish: Gateway.allow })]
      })
      const topic = Any.at({ name: "proto" })
      const text = '{"__proto__":{"polluted":1},"a":[{"__proto__":2}]}'
      for (const codec of ["json", "msgpack"] as const) {
        const client = yield* connect({ codec: Codec[codec] })
        const { epoch, offset } = yield* client.publish(topic, JSON.parse(text))
        const got = yield* Stream.runHead(client.subscribe(topic, { since: { epoch, offset: offset - 1 } }))
        const value = got._tag === "Some" ? got.value.value : undefined
        assert.strictEqual(JSON.stringify(value), text)
        assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
      }
    }).pipe(Effect.provide(TopicWorld))
  )
})
