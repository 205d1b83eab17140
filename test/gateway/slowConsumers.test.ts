/** Connections that do not take what is published, and consumers that do not pull: what each policy does, at each end. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, type Layer, type Scope, Stream, TestClock } from "effect"
import { type Client, Codec, Gateway, type Topic } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import {
  Any,
  away,
  connect,
  fill,
  follow,
  lobby,
  makeGateway,
  only,
  Room,
  range,
  rooms,
  skips,
  type TestGateway,
  TopicWorld,
  told,
  values,
  worlds
} from "../support/topics.js"
import { settle, type TestClient } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const policies = ["disconnect", "dropOldest", "latest"] as const
type Policy = (typeof policies)[number]

/** The server's end is congested as soon as one frame waits; three publications may wait behind it. */
const tight = { highWaterMark: 1, queueMessages: 3, queueBytes: 1_000_000 }

/** Has what the server sends on the newest link wait, and one publication with it, so that the others must queue. */
const stalled = (n: number) =>
  Effect.gen(function* () {
    const network = yield* Network
    const link = yield* network.latest
    link.stall("server")
    yield* fill(n, n)
    return link
  })

/** Has a client return on a link that takes the welcome, and then, each time it is let, what waits. */
const backOnASlowLink = (client: TestClient) =>
  Effect.gen(function* () {
    const network = yield* Network
    let isSlow = true
    let sent = 0
    yield* network.onLink((link) => {
      const send = link.server.send.bind(link.server)
      const sendOne: typeof send = (frame) => {
        if (isSlow && sent > 0) link.stall("server")
        sent++
        send(frame)
      }
      Object.assign(link.server, { send: sendOne })
    })
    yield* client.reconnect
    yield* settle
    const link = yield* network.latest
    const one = Effect.suspend(() => {
      link.release("server")
      return settle
    })
    const all = Effect.suspend(() => {
      isSlow = false
      return one
    })
    return { one, all, sent: () => sent }
  })

const queued = (gateway: TestGateway) =>
  Effect.flatMap(gateway.sessions, (sessions) =>
    Effect.forEach(sessions, (session) => Effect.map(session.info, (info) => info.queued.messages))
  )

/** Publishes, and has it told before anything else happens. */
const publishing = (gateway: TestGateway) => (topic: Topic.Ref<number>, n: number) =>
  Effect.zipLeft(gateway.publish(topic, n), told)

const topicsOf = (policy: Policy, messages?: number) => ({
  topics: [rooms({ policy, ...(messages === undefined ? {} : { history: { messages } }) })]
})

describe("On a connection that does not take what is published,", () => {
  for (const policy of policies) {
    it.scoped(`exactly as much as may wait is sent when it goes on, and nothing is skipped (${policy})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf(policy) })
        const client = yield* connect()
        const following = yield* follow(client.subscribe(lobby))
        yield* fill(1, 1)
        yield* settle
        const link = yield* stalled(2)
        const kept = policy === "latest" ? 1 : 3
        yield* fill(3, 2 + kept)
        yield* settle
        assert.deepStrictEqual(yield* queued(gateway), [kept])
        assert.deepStrictEqual(values(following), [1])
        link.release("server")
        yield* settle
        assert.deepStrictEqual(values(following), range(1, 2 + kept))
        assert.deepStrictEqual(
          skips(following),
          range(1, 2 + kept).map(() => 0)
        )
        assert.deepStrictEqual(yield* queued(gateway), [0])
        yield* fill(9, 9)
        yield* settle
        assert.strictEqual(values(following).at(-1), 9)
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("one more than may wait is too slow for `disconnect`: 4413, and all is recovered on the next", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("disconnect") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const link = yield* stalled(1)
      yield* fill(2, 4)
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ready")
      yield* fill(5, 5)
      assert.deepStrictEqual(yield* queued(gateway), [0], "nothing is kept for a connection that is given up")
      link.release("server")
      yield* settle
      const status = yield* client.status
      if (status._tag !== "Waiting") return assert.fail(status._tag)
      assert.deepInclude(status.reason, { _tag: "ClosedByPeer", code: 4413 })
      yield* fill(6, 6)
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      assert.deepStrictEqual(values(following), range(1, 6))
      assert.isUndefined(following.end())
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const [more, kept, skipped] of [
    [3, [2, 3, 4], [0, 0, 0]],
    [4, [3, 4, 5], [1, 0, 0]],
    [10, [9, 10, 11], [7, 0, 0]]
  ] as const) {
    it.scoped(`of ${more} that wait where three may, \`dropOldest\` keeps the newest and counts what it skipped`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("dropOldest") })
        const client = yield* connect()
        const following = yield* follow(client.subscribe(lobby))
        const link = yield* stalled(1)
        for (const n of range(2, 1 + more)) {
          yield* fill(n, n)
          assert.isAtMost((yield* queued(gateway))[0] ?? 0, 3)
        }
        link.release("server")
        yield* settle
        assert.deepStrictEqual(values(following), [1, ...kept])
        assert.deepStrictEqual(skips(following), [0, ...skipped])
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("`latest` keeps the newest alone, and counts what it skipped", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("latest") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const link = yield* stalled(1)
      yield* fill(2, 20)
      assert.deepStrictEqual(yield* queued(gateway), [1])
      link.release("server")
      yield* settle
      link.stall("server")
      yield* fill(21, 23)
      link.release("server")
      yield* settle
      // The first of each that waited had been written before; the client may take it, or skip it as well.
      const seen = values(following).filter((n) => n !== 1 && n !== 21)
      assert.deepStrictEqual(seen, [20, 23])
      const skipped = skips(following).reduce((sum, n) => sum + n, 0)
      assert.strictEqual(skipped + following.seen.length, 23)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("bytes are bounded as messages are: exactly the bound waits, one byte more gives way", () =>
    Effect.gen(function* () {
      const topics = [Gateway.topic(Any, { subscribe: Gateway.allow, policy: "dropOldest" })]
      // Two of 100 bytes each, quotes included.
      const gateway = yield* makeGateway(undefined, { ...tight, queueMessages: 100, queueBytes: 200, topics })
      const client = yield* connect()
      const topic = Any.at({ name: "x" })
      const following = yield* follow(client.subscribe(topic))
      const link = yield* (yield* Network).latest
      const publish = (size: number) => Effect.zipLeft(gateway.publish(topic, "x".repeat(size - 2)), told)
      const sizes = () => following.seen.map(({ value }) => String(value).length + 2)
      link.stall("server")
      for (const size of [10, 100, 100]) yield* publish(size)
      assert.deepStrictEqual((yield* (yield* only(gateway)).info).queued, { messages: 2, bytes: 200 })
      link.release("server")
      yield* settle
      assert.deepStrictEqual(sizes(), [10, 100, 100])
      link.stall("server")
      for (const size of [10, 100, 101]) yield* publish(size)
      assert.deepStrictEqual((yield* (yield* only(gateway)).info).queued, { messages: 1, bytes: 101 })
      link.release("server")
      yield* settle
      // A single one may always wait, however large.
      link.stall("server")
      for (const size of [10, 500]) yield* publish(size)
      link.release("server")
      yield* settle
      assert.deepStrictEqual(sizes(), [10, 100, 100, 10, 101, 10, 500])
      assert.deepStrictEqual(skips(following), [0, 0, 0, 0, 1, 0, 0])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("the bound is that of the session: several topics share it, each by its own policy", () =>
    Effect.gen(function* () {
      const Tick = Room
      const gateway = yield* makeGateway(undefined, {
        ...tight,
        topics: [rooms({ policy: "dropOldest" })]
      })
      const publish = publishing(gateway)
      const client = yield* connect()
      const [a, b] = [Tick.at({ room: "a" }), Tick.at({ room: "b" })]
      const first = yield* follow(client.subscribe(a))
      const second = yield* follow(client.subscribe(b))
      const link = yield* (yield* Network).latest
      link.stall("server")
      yield* publish(a, 0)
      yield* publish(a, 1)
      yield* publish(b, 1)
      yield* publish(a, 2)
      assert.deepStrictEqual(yield* queued(gateway), [3], "exactly the bound")
      yield* publish(b, 2)
      assert.deepStrictEqual(yield* queued(gateway), [3], "b's oldest gave way")
      yield* publish(a, 3)
      link.release("server")
      yield* settle
      assert.deepStrictEqual(values(first), [0, 2, 3])
      assert.deepStrictEqual(values(second), [2])
      assert.deepStrictEqual([skips(first), skips(second)], [[0, 1, 0], [1]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("the newest of a topic waits, whatever fills the bound: nothing else would show that it was missed", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { ...tight, topics: [rooms({ policy: "dropOldest" })] })
      const publish = publishing(gateway)
      const client = yield* connect()
      const [a, b] = [Room.at({ room: "a" }), Room.at({ room: "b" })]
      const first = yield* follow(client.subscribe(a))
      const second = yield* follow(client.subscribe(b))
      const link = yield* (yield* Network).latest
      link.stall("server")
      for (const n of range(0, 3)) yield* publish(a, n)
      yield* publish(b, 1)
      assert.deepStrictEqual(yield* queued(gateway), [4])
      yield* publish(b, 2)
      assert.deepStrictEqual(yield* queued(gateway), [4])
      link.release("server")
      yield* settle
      assert.deepStrictEqual(values(first), range(0, 3))
      assert.deepStrictEqual([values(second), skips(second)], [[2], [1]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("no other session waits: what is published reaches them at once, and in full", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("dropOldest") })
      const slow = yield* connect()
      const behind = yield* follow(slow.subscribe(lobby))
      const link = yield* (yield* Network).latest
      const fast = yield* connect({ codec: Codec.msgpack })
      const following = yield* follow(fast.subscribe(lobby))
      link.stall("server")
      for (const n of range(1, 200)) {
        yield* fill(n, n)
        yield* settle
        assert.strictEqual(values(following).at(-1), n)
      }
      assert.deepStrictEqual(values(following), range(1, 200))
      assert.deepStrictEqual(yield* queued(gateway), [3, 0])
      link.release("server")
      yield* settle
      assert.deepStrictEqual(values(behind), [1, 198, 199, 200])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("a recovery larger than what may wait is brought at the connection's own pace, and never too slow", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("disconnect") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* network.cut()
      yield* settle
      yield* fill(1, 250)
      const link = yield* backOnASlowLink(client)
      for (const n of range(251, 300)) {
        yield* fill(n, n)
        yield* link.one
      }
      assert.isBelow(following.seen.length, 250)
      assert.deepStrictEqual(yield* queued(gateway), [0], "what is recovered is read when it can be sent")
      yield* link.all
      assert.deepStrictEqual(values(following), range(1, 300))
      assert.strictEqual(yield* network.dials, 2, "the first, and the one that recovers")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("`latest` that recovers brings the newest alone, whatever is published meanwhile", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* makeGateway(undefined, { ...tight, ...topicsOf("latest") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* fill(1, 1)
      yield* settle
      yield* network.cut()
      yield* settle
      yield* fill(2, 10)
      const link = yield* backOnASlowLink(client)
      // The subscription is answered, and what it begins with waits.
      yield* link.one
      yield* fill(11, 60)
      yield* link.one
      yield* link.all
      assert.strictEqual(values(following).at(-1), 60)
      assert.isAtMost(link.sent(), 6, "welcome, replayed, subscribed, and hardly a publication")
      const total = skips(following).reduce((sum, skipped) => sum + skipped + 1, 0)
      assert.strictEqual(total, 60, "what came and what was skipped is all there was")
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const policy of ["dropOldest", "latest"] as const) {
    it.scoped(`what a recovery cannot have any more is skipped, and counted (${policy})`, () =>
      Effect.gen(function* () {
        yield* makeGateway({ policy, history: { messages: 3 } })
        const client = yield* connect()
        const following = yield* follow(client.subscribe(lobby))
        for (const n of [1, 2]) yield* Effect.zipRight(fill(n, n), settle)
        yield* away(client, fill(3, 10, { messages: 3, bytes: 1000, age: 60_000 }))
        const kept = policy === "latest" ? [10] : [8, 9, 10]
        assert.deepStrictEqual(values(following), [1, 2, ...kept])
        assert.deepStrictEqual(skips(following), [0, 0, 10 - kept.length - 2, ...kept.slice(1).map(() => 0)])
        yield* away(client, Effect.zipRight(fill(11, 12), TestClock.adjust("10 minutes")))
        yield* fill(13, 13)
        yield* settle
        assert.deepStrictEqual(values(following).at(-1), 13)
        assert.strictEqual(skips(following).at(-1), 2, "expired altogether")
        assert.isUndefined(following.end())
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("a client that leaves takes with it what waited", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { ...tight, ...topicsOf("dropOldest") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const other = yield* follow(client.subscribe(Room.at({ room: "other" })))
      const link = yield* stalled(1)
      yield* fill(2, 3)
      yield* fill(1, 1, undefined, "rooms/other")
      assert.deepStrictEqual(yield* queued(gateway), [3])
      yield* following.stop
      yield* settle
      // The answer waits behind what waits; the request does not.
      link.release("server")
      yield* settle
      assert.deepStrictEqual(yield* queued(gateway), [0])
      assert.deepStrictEqual(values(other), [1])
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("A consumer that does not pull,", () => {
  /** Reads one publication each time it is let. */
  const reluctant = <E>(stream: Stream.Stream<Client.Publication<number> | Client.TooLarge, E>) =>
    Effect.gen(function* () {
      let gate = yield* Deferred.make<void>()
      const following = yield* follow(Stream.tap(stream, () => Effect.suspend(() => Deferred.await(gate))))
      const open = Effect.suspend(() => Deferred.succeed(gate, undefined)).pipe(Effect.zipRight(settle))
      const shut = Effect.map(Deferred.make<void>(), (next) => {
        gate = next
      })
      return { ...following, open, shut }
    })

  const three = { queueMessages: 3 }
  type Given = Scope.Scope | Layer.Layer.Success<typeof TopicWorld>
  const law = (text: string, body: () => Effect.Effect<unknown, unknown, Given>) =>
    it.scoped(text, () => Effect.provide(body(), TopicWorld))

  law("of a `disconnect` topic is asked to wait at one more than its queue holds, and gets all in the end", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway({ presence: true })
      const client = yield* connect(three)
      const following = yield* reluctant(client.subscribe(lobby))
      // One in its hand; three in the queue.
      yield* fill(1, 1)
      yield* settle
      const session = yield* only(gateway)
      yield* fill(2, 4)
      yield* settle
      const sentBefore = (yield* network.latest).server.accepted()
      yield* fill(5, 5)
      yield* settle
      assert.isAbove((yield* network.latest).server.accepted(), sentBefore, "the one that is too many, and the answer")
      const paused = (yield* network.latest).server.accepted()
      yield* fill(6, 100)
      yield* settle
      assert.strictEqual((yield* network.latest).server.accepted(), paused, "nothing more is sent")
      assert.deepStrictEqual((yield* session.info).subscriptions, [lobby.name], "and it is a member still")
      assert.lengthOf(yield* gateway.members(lobby), 1)
      yield* following.open
      assert.deepStrictEqual(
        following.seen.map(({ value }) => value),
        range(1, 100)
      )
      assert.isTrue(following.seen.every(({ skipped }) => skipped === 0))
      yield* fill(101, 101)
      yield* settle
      assert.strictEqual(following.seen.at(-1)?.value, 101)
      assert.isUndefined(following.end())
    })
  )

  law("is paused through reconnects, and goes on where it was", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect(three)
      const following = yield* reluctant(client.subscribe(lobby))
      yield* fill(1, 1)
      yield* settle
      yield* fill(2, 10)
      yield* settle
      yield* away(client, fill(11, 20))
      yield* fill(21, 30)
      yield* away(client, following.open)
      assert.deepStrictEqual(
        following.seen.map(({ value }) => value),
        range(1, 30)
      )
    })
  )

  law("paused for longer than the log keeps is told that it is lost, after what it had", () =>
    Effect.gen(function* () {
      yield* makeGateway({ history: { messages: 5 } })
      const client = yield* connect(three)
      const following = yield* reluctant(client.subscribe(lobby))
      yield* fill(1, 1)
      yield* settle
      yield* fill(2, 50, { messages: 5, bytes: 1000, age: 60_000 })
      yield* settle
      yield* following.open
      assert.deepStrictEqual(
        following.seen.map(({ value }) => value),
        range(1, 5)
      )
      assert.deepInclude(following.end(), { _tag: "PositionLost", reason: "expired" })
    })
  )

  for (const [more, kept, skipped] of [
    [3, [2, 3, 4], [0, 0, 0]],
    [4, [3, 4, 5], [1, 0, 0]],
    [40, [39, 40, 41], [37, 0, 0]]
  ] as const) {
    law(`of \`dropOldest\`, ${more} behind with a queue of three, has the newest, and the count of the others`, () =>
      Effect.gen(function* () {
        yield* makeGateway({ policy: "dropOldest" })
        const client = yield* connect(three)
        const following = yield* reluctant(client.subscribe(lobby))
        yield* fill(1, 1)
        yield* settle
        yield* fill(2, 1 + more)
        yield* settle
        yield* following.open
        assert.deepStrictEqual(
          following.seen.map(({ value }) => value),
          [1, ...kept]
        )
        assert.deepStrictEqual(
          following.seen.map((seen) => seen.skipped),
          [0, ...skipped]
        )
      })
    )
  }

  law("of `latest` has the newest alone, and the count of the others", () =>
    Effect.gen(function* () {
      yield* makeGateway({ policy: "latest" })
      const client = yield* connect(three)
      const following = yield* reluctant(client.subscribe(lobby))
      yield* fill(1, 1)
      yield* settle
      yield* fill(2, 10)
      yield* settle
      yield* away(client, fill(11, 15))
      yield* following.open
      assert.deepStrictEqual(
        following.seen.map(({ value }) => value),
        [1, 15]
      )
      assert.deepStrictEqual(
        following.seen.map(({ skipped }) => skipped),
        [0, 13]
      )
    })
  )

  law("holds up neither the client's other topics nor its messages nor its heartbeats", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway()
      const client = yield* connect(three)
      const slow = yield* reluctant(client.subscribe(lobby))
      const other = yield* follow(client.subscribe(Room.at({ room: "other" })))
      const messages = yield* follow(client.messages)
      yield* fill(1, 50)
      yield* fill(1, 50, undefined, "rooms/other")
      yield* (yield* only(gateway)).send("hello")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(values(other), range(1, 50))
      assert.deepStrictEqual(messages.seen, ["hello"])
      assert.strictEqual(yield* network.dials, 1)
      yield* slow.stop
    })
  )

  law("of several that are paused, each goes on by itself", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect(three)
      const [a, b] = [
        yield* reluctant(client.subscribe(lobby)),
        yield* reluctant(client.subscribe(Room.at({ room: "other" })))
      ]
      yield* fill(1, 1)
      yield* fill(1, 1, undefined, "rooms/other")
      yield* settle
      yield* fill(2, 30)
      yield* fill(2, 30, undefined, "rooms/other")
      yield* settle
      yield* b.open
      assert.deepStrictEqual([a.seen.length, b.seen.length], [0, 30])
      yield* a.open
      assert.deepStrictEqual(
        a.seen.map(({ value }) => value),
        range(1, 30)
      )
    })
  )

  for (const [name, world] of Object.entries(worlds)) {
    it.scoped(
      `paused again and again while it recovers hundreds, gets all of them (a broker that answers ${name})`,
      () =>
        Effect.gen(function* () {
          yield* makeGateway()
          yield* fill(1, 300)
          const client = yield* connect(three)
          const following = yield* follow(
            Stream.tap(client.subscribe(lobby, { since: "oldest" }), () => Effect.sleep(3))
          )
          for (const n of range(301, 400)) {
            yield* TestClock.adjust(7)
            yield* fill(n, n)
          }
          yield* TestClock.adjust("2 minutes")
          assert.deepStrictEqual(values(following), range(1, 400))
          assert.isTrue(following.seen.every(({ skipped }) => skipped === 0))
        }).pipe(Effect.provide(world))
    )

    it.scoped(`given up while it recovers, leaves nothing (a broker that answers ${name})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        yield* fill(1, 300)
        const client = yield* connect(three)
        const seen: Array<number> = []
        for (let i = 0; i < 5; i++) {
          const following = yield* follow(
            Stream.tap(client.subscribe(lobby, { since: "oldest" }), () => Effect.sleep(3))
          )
          yield* TestClock.adjust(60 + 37 * i)
          yield* following.stop
          seen.push(...values(following))
        }
        yield* TestClock.adjust(1000)
        assert.isAbove(seen.length, 5)
        assert.deepStrictEqual((yield* (yield* only(gateway)).info).subscriptions, [])
        const all = yield* follow(client.subscribe(lobby, { since: "oldest" }))
        yield* TestClock.adjust(10_000)
        assert.deepStrictEqual(values(all), range(1, 300))
      }).pipe(Effect.provide(world))
    )
  }
})
