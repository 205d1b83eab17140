/** A session that publishes with more keys than it may, or than the broker has room for: it is refused, and nobody waits. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, TestClock } from "effect"
import { Broker } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { KeyQuota } from "../../src/gateway/topics/keyQuota.js"
import {
  away,
  broker,
  connect,
  Elsewhere,
  follow,
  lobby,
  logged,
  makeGateway,
  range,
  settled,
  TopicWorld,
  values
} from "../support/topics.js"
import { World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const withBroker = (options: Broker.MemoryOptions) =>
  Layer.provideMerge(
    Layer.effectContext(
      Effect.map(Broker.makeMemory(options), (made) =>
        Context.make(Broker.Broker, made).pipe(Context.add(Elsewhere, made))
      )
    ),
    World
  )

const offset = ({ offset }: { readonly offset: number }) => offset

describe("A session that has published as often with a key as it may", () => {
  it.scoped("is refused one more until some are old, and nothing else waits: not its requests, and nobody else's", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { maxKeysPerSession: 3 })
      const [eve, ann] = [yield* connect(), yield* connect()]
      assert.deepStrictEqual(
        yield* Effect.forEach(range(1, 3), (n) => Effect.map(eve.publish(lobby, n), offset)),
        [1, 2, 3]
      )
      yield* TestClock.adjust(1000)
      const refused = yield* Effect.flip(eve.publish(lobby, 4))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "too-many-keys", retryAfter: 299_000 })
      assert.include(refused.message, "maxKeysPerSession: 3")
      assert.strictEqual(offset(yield* ann.publish(lobby, 5)), 4)
      assert.deepStrictEqual(values(yield* follow(eve.subscribe(lobby, { since: "oldest" }))), [1, 2, 3, 5])
      // The gateway's own do not count.
      yield* gateway.publish(lobby, 6, { key: "k" })
      yield* TestClock.adjust(298_999)
      assert.deepInclude(yield* Effect.flip(eve.publish(lobby, 7)), { code: "too-many-keys", retryAfter: 1 })
      yield* TestClock.adjust(1)
      yield* eve.publish(lobby, 8)
      assert.deepStrictEqual(yield* logged(), [1, 2, 3, 5, 6, 8])
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const limit of [1, 2]) {
    it.scoped(`is given the position of what it publishes again, and that counts once (${limit})`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* makeGateway(undefined, { maxKeysPerSession: limit })
        const client = yield* connect()
        const publishing = yield* Effect.fork(client.publish(lobby, 1))
        // It is published, and the answer is on its way from the broker when the connection is cut.
        yield* TestClock.adjust(10)
        yield* network.cut()
        yield* TestClock.adjust(2000)
        assert.strictEqual(offset(yield* Fiber.join(publishing)), 1)
        for (const n of range(2, limit)) {
          const next = yield* Effect.fork(client.publish(lobby, n))
          yield* TestClock.adjust(100)
          assert.strictEqual(offset(yield* Fiber.join(next)), n)
        }
        const more = yield* Effect.fork(Effect.flip(client.publish(lobby, 9)))
        yield* TestClock.adjust(100)
        assert.deepInclude(yield* Fiber.join(more), { code: "too-many-keys" })
        assert.deepStrictEqual(yield* logged(), range(1, limit))
      }).pipe(Effect.provide(Layer.provideMerge(broker({ there: 0, back: 30 }), World)))
    )
  }

  it.scoped("may publish as often again as soon as it is another session", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, { maxKeysPerSession: 1 })
      const first = yield* connect()
      yield* first.publish(lobby, 1)
      yield* first.close
      yield* (yield* connect()).publish(lobby, 2)
      assert.deepStrictEqual(yield* logged(), [1, 2])
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("A broker that has no room for keys", () => {
  it.scoped("refuses whoever holds most, at once; those that hold few publish, and everything else goes on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const [eve, ann] = [yield* connect(), yield* connect()]
      yield* Effect.forEach(range(1, 40), (n) => eve.publish(lobby, n))
      const refused = yield* Effect.flip(eve.publish(lobby, 41))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "too-many-keys", retryAfter: 1000 })
      assert.include(refused.message, "maxKeys: 40")
      assert.strictEqual(offset(yield* ann.publish(lobby, 42)), 41)
      assert.deepStrictEqual(values(yield* follow(eve.subscribe(lobby, { since: "oldest" }))), [...range(1, 40), 42])
      yield* Effect.forEach(range(43, 46), (n) => gateway.publish(lobby, n, { key: String(n) }))
      // The bound of all.
      const all = yield* Effect.flip(gateway.publish(lobby, 47, { key: "47" }))
      assert.deepInclude(all, { _tag: "TopicRefused", code: "too-many-keys" })
      yield* gateway.publish(lobby, 48)
      yield* TestClock.adjust(1000)
      yield* eve.publish(lobby, 49)
    }).pipe(Effect.provide(withBroker({ maxKeys: 40, keyWindow: 1000 })))
  )

  it.scoped("lets a client that was away have its positions, which it asks for again", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const fibers = yield* away(
        client,
        Effect.forEach(range(1, 8), (n) => Effect.fork(client.publish(lobby, n)))
      )
      yield* settled
      const answers = yield* Effect.forEach(fibers, (fiber) => Effect.map(Fiber.join(fiber), offset))
      assert.deepStrictEqual(
        [...answers].sort((a, b) => a - b),
        range(1, 8)
      )
    }).pipe(Effect.provide(withBroker({ maxKeys: 8 })))
  )
})

describe("The quota of keys", () => {
  it("is never exceeded in any window, wherever it begins, and lasts a sixteenth longer at most", () => {
    const [limit, window] = [50, 1600]
    const quota = new KeyQuota(limit, window)
    const taken: Array<number> = []
    let until = 0
    for (let now = 0, id = 1; now < 20_000; now += 1 + ((now * 7) % 13)) {
      const wait = quota.wait(now)
      const recent = taken.filter((at) => at > now - window).length
      if (wait === 0) {
        assert.isAtLeast(now, until)
        assert.isBelow(recent, limit)
        quota.add(id++, now)
        taken.push(now)
      } else {
        assert.isAtLeast(taken.filter((at) => at > now - window - window / 16).length, limit)
        assert.isTrue(until <= now || until === now + wait)
        until = now + wait
      }
    }
    assert.isAbove(taken.length, limit * 10)
  })
})
