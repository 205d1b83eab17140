/** What a gateway hears of a topic, and when it tells it to those who follow: the feed by itself, and what others see of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { Broker } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { type Follower, TopicFeeds } from "../../src/gateway/topics/topicFeed.js"
import { connect, follow, lobby, makeGateway, range, rooms, TopicWorld, told, values } from "../support/topics.js"
import { settle } from "../support/virtual.js"

const payload = (n: number) => ({ position: { epoch: "e", offset: n }, payload: String(n), at: 0 })

const makeFeeds = (broker: Broker.Broker["Type"]) =>
  Effect.map(Effect.scope, (scope) => new TopicFeeds(broker, { messages: 10, bytes: 1000 }, scope))

const makeFeed = Effect.flatMap(Broker.makeMemory(), (broker) =>
  Effect.flatMap(makeFeeds(broker), (feeds) => feeds.acquire("t"))
)

/** A follower, and the batches in which it was told. */
const listener = () => {
  const batches: Array<ReadonlyArray<number>> = []
  const follower: Follower = {
    published: (batch) => batches.push(batch.map(({ offset }) => offset)),
    reset: (position) => batches.push([-position.offset])
  }
  return { batches, follower }
}

describe("A feed", () => {
  it.scoped("tells what it hears in one turn at the end of it, in one go", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      const [one, two] = [listener(), listener()]
      feed.followers.add(one.follower).add(two.follower)
      for (const n of range(1, 16)) feed.published(payload(n))
      assert.deepStrictEqual(one.batches, [])
      assert.strictEqual(feed.head.offset, 0, "nobody was told of more")
      assert.deepInclude(feed.info, { publications: 16, position: { epoch: "e", offset: 16 } })
      yield* told
      assert.deepStrictEqual(one.batches, [range(1, 16)])
      assert.deepStrictEqual(two.batches, [range(1, 16)])
      assert.strictEqual(feed.head.offset, 16)
      feed.published(payload(17))
      yield* told
      assert.deepStrictEqual(one.batches, [range(1, 16), [17]])
    })
  )

  it.scoped("keeps no more than 64 publications or 64 kB for the end of the turn", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      const { batches, follower } = listener()
      feed.followers.add(follower)
      for (const n of range(1, 130)) feed.published(payload(n))
      assert.deepStrictEqual(batches, [range(1, 64), range(65, 128)])
      yield* told
      assert.deepStrictEqual(batches, [range(1, 64), range(65, 128), range(129, 130)])
      feed.published({ ...payload(131), payload: "x".repeat(64 * 1024 - 1) })
      assert.strictEqual(batches.length, 3)
      feed.published(payload(132))
      assert.deepStrictEqual(batches[3], [131, 132])
    })
  )

  it.scoped("tells what it has heard before it tells that the log is another", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      const { batches, follower } = listener()
      feed.followers.add(follower)
      feed.published(payload(1))
      feed.reset({ epoch: "f", offset: 7 }, "epoch")
      assert.deepStrictEqual(batches, [[1], [-7]])
      yield* told
      assert.deepStrictEqual([batches, feed.head], [[[1], [-7]], { epoch: "f", offset: 7 }])
    })
  )

  it.scoped("keeps the order for all, when what a follower does publishes more", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      const { batches, follower } = listener()
      const more = () => {
        if (feed.head.offset === 1) for (const n of range(2, 70)) feed.published(payload(n))
        feed.tell()
      }
      feed.followers.add({ published: more, reset: () => {} }).add(follower)
      feed.published(payload(1))
      yield* told
      yield* told
      assert.deepStrictEqual(batches, [[1], range(2, 70)])
    })
  )

  it.scoped("holds on to nothing while nobody lags, nor when the last that did has caught up", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      for (const n of range(1, 5)) feed.published(payload(n))
      feed.tell()
      assert.isUndefined(feed.get(5))
      feed.lagging++
      for (const n of range(6, 8)) feed.published(payload(n))
      feed.tell()
      assert.deepStrictEqual([feed.get(5)?.offset, feed.get(6)?.offset, feed.get(8)?.offset], [undefined, 6, 8])
      feed.caughtUp()
      assert.isUndefined(feed.get(8))
    })
  )

  it.scoped("holds on to no more than may wait, for those that lag", () =>
    Effect.gen(function* () {
      const feed = yield* makeFeed
      feed.lagging++
      for (const n of range(1, 1000)) feed.published(payload(n))
      feed.tell()
      assert.isUndefined(feed.get(990))
      assert.strictEqual(feed.get(991)?.offset, 991)
      const large = { ...payload(1001), payload: "x".repeat(2000) }
      feed.published(large)
      feed.tell()
      assert.isUndefined(feed.get(1000), "one that is larger than all that may wait stands alone")
      assert.strictEqual(feed.get(1001)?.size, 2000)
    })
  )

  it.scoped("is closed with its last user, and opened anew for the next", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory()
      const feeds = yield* makeFeeds(broker)
      const [one, two] = [yield* feeds.acquire("t"), yield* feeds.acquire("t")]
      assert.strictEqual(one, two)
      yield* feeds.release(one)
      yield* broker.publish("t", "1")
      yield* told
      assert.strictEqual(one.head.offset, 1)
      yield* feeds.release(two)
      yield* broker.publish("t", "2")
      yield* told
      assert.strictEqual(one.head.offset, 1)
      assert.strictEqual((yield* feeds.acquire("t")).head.offset, 2)
    })
  )
})

describe("A subscriber is sent what was published before", () => {
  const begun = Effect.gen(function* () {
    const gateway = yield* makeGateway(undefined, { topics: [rooms()] })
    const client = yield* connect()
    const following = yield* follow(client.subscribe(lobby))
    const [session] = yield* gateway.sessions
    if (session === undefined) return assert.fail("there is one session")
    return { gateway, client, following, session }
  })

  it.scoped("the server ended its subscription, in the same turn", () =>
    Effect.gen(function* () {
      const { following, gateway, session } = yield* begun
      yield* Effect.zipRight(gateway.publish(lobby, 1), session.unsubscribe(lobby, "enough"))
      yield* gateway.publish(lobby, 2)
      yield* settle
      assert.deepStrictEqual(values(following), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("the server ended its session, in the same turn", () =>
    Effect.gen(function* () {
      const { following, gateway, session } = yield* begun
      yield* Effect.zipRight(gateway.publish(lobby, 1), session.end("enough"))
      yield* settle
      assert.deepStrictEqual(values(following), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("its gateway closes, by its own handler's last act: what is not taken yet is waited for", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const latch = yield* Effect.makeLatch()
      const gateway = yield* Scope.extend(
        makeGateway(undefined, {
          highWaterMark: 1,
          onMessage: (_, session) => Effect.zipRight(latch.await, Effect.orDie(session.gateway.publish(lobby, 2)))
        }),
        scope
      )
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* client.send("publish")
      yield* settle
      const link = yield* (yield* MemoryNetwork.MemoryNetwork).latest
      link.stall("server")
      yield* gateway.publish(lobby, 1)
      yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      yield* latch.open
      yield* settle
      link.release("server")
      yield* settle
      assert.deepStrictEqual(values(following), [1, 2])
    }).pipe(Effect.provide(TopicWorld))
  )
})
