import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Codec, ConnectionError, Gateway } from "holdfast"
import { join } from "../support/peer.js"
import {
  Any,
  away,
  connect,
  Elsewhere,
  fill,
  follow,
  lobby,
  logged,
  makeGateway,
  Room,
  rooms,
  subscriptions,
  TopicWorld,
  values
} from "../support/topics.js"
import { settle } from "../support/virtual.js"

const room = (name: string) => Room.at({ room: name })
const denied = (reason: string) => Effect.fail(new ConnectionError.NotAllowed({ reason }))

describe("A rule", () => {
  it.scoped("that refuses fails the stream with its reason, and leaves no subscription", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({
        subscribe: ({ room }, { principal }) => (room === principal.id ? Effect.void : denied(`not ${principal.id}'s`))
      })
      const client = yield* connect({ token: "ann" })
      const own = yield* follow(client.subscribe(room("ann")))
      const refused = yield* follow(client.subscribe(room("bob")))
      assert.deepStrictEqual(
        refused.end(),
        new ConnectionError.TopicRefused({ topic: "rooms/bob", code: "not-allowed", reason: "not ann's" })
      )
      assert.isUndefined(own.end())
      assert.deepStrictEqual(yield* subscriptions(gateway), [["rooms/ann"]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that a function of the gateway's options makes is judged by as any other", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        topics: (topic) => [
          topic(Room, { subscribe: ({ room }, { principal }) => (room === principal.id ? Effect.void : denied("no")) })
        ]
      })
      const client = yield* connect({ token: "ann" })
      const own = yield* follow(client.subscribe(room("ann")))
      const refused = yield* follow(client.subscribe(room("bob")))
      assert.deepInclude(refused.end(), { _tag: "TopicRefused", code: "not-allowed", reason: "no" })
      assert.isUndefined(own.end())
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped(
    "that refuses a member which has paused ends the membership; a subscription that is there already stays",
    () =>
      Effect.gen(function* () {
        let isAllowed = true
        const gateway = yield* makeGateway({
          subscribe: () => Effect.suspend(() => (isAllowed ? Effect.void : denied("revoked"))),
          presence: true
        })
        const { peer } = yield* join()
        const topic = lobby.name
        yield* peer.say({ type: "subscribe", id: 1, topic })
        yield* peer.say({ type: "subscribe", id: 2, topic })
        assert.deepInclude(peer.said("error")[0] ?? {}, { id: 2, code: "already-subscribed" })
        assert.lengthOf(yield* gateway.members(lobby), 1)
        yield* fill(1, 1)
        yield* settle
        assert.deepInclude(peer.said("publication")[0] ?? {}, { topic, body: 1 })
        yield* peer.say({ type: "unsubscribe", id: 3, topic, pause: true })
        assert.lengthOf(yield* gateway.members(lobby), 1, "whoever pauses stays")
        isAllowed = false
        yield* peer.say({ type: "subscribe", id: 4, topic })
        assert.deepInclude(peer.said("error")[1] ?? {}, { id: 4, code: "not-allowed" })
        assert.deepStrictEqual(yield* gateway.members(lobby), [])
        assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
      }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is told in one line of at most 200 bytes, whatever reason it has", () =>
    Effect.gen(function* () {
      yield* makeGateway({ publish: () => denied("not\nthis \u{1f44b} one ".repeat(100)) })
      const { peer } = yield* join()
      yield* peer.say({ type: "publish", id: 1, topic: lobby.name, body: 1 })
      const reason = String(peer.said("error")[0]?.["reason"])
      assert.match(reason, /^not this \u{1f44b} one not this/u)
      assert.isAtLeast(Codec.byteLength(reason), 190)
      assert.isAtMost(Codec.byteLength(reason), 200)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is asked at each reconnect, and what it does not allow any more ends there", () =>
    Effect.gen(function* () {
      let isAllowed = true
      let asked = 0
      const gateway = yield* makeGateway({
        subscribe: () =>
          Effect.suspend(() => {
            asked++
            return isAllowed ? Effect.void : denied("revoked")
          }),
        presence: true
      })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* away(client, Effect.void)
      assert.strictEqual(asked, 2)
      yield* away(
        client,
        Effect.suspend(() => {
          isAllowed = false
          return fill(1, 1)
        })
      )
      assert.deepStrictEqual(values(following), [])
      assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "not-allowed", reason: "revoked" })
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
      assert.deepStrictEqual(yield* gateway.members(lobby), [])
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const [how, fault] of [
    ["dies", () => Effect.die("a fault")],
    [
      "throws",
      () => {
        throw new Error("a fault")
      }
    ],
    ["interrupts itself", () => Effect.interrupt]
  ] as const) {
    it.scoped(
      `that ${how} refuses with \`failed\`, the session and its other topics go on, and it is a member no more`,
      () =>
        Effect.gen(function* () {
          let isBroken = false
          const broken = () => (isBroken ? fault() : Effect.void)
          const gateway = yield* makeGateway(
            {
              subscribe: ({ room }) => (room === "lobby" ? broken() : Effect.void),
              publish: ({ room }) => (room === "lobby" ? broken() : Effect.void),
              presence: true
            },
            {}
          )
          const client = yield* connect()
          const following = yield* follow(client.subscribe(lobby))
          const other = yield* follow(client.subscribe(room("other")))
          isBroken = true
          const published = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
          yield* settle
          assert.deepInclude(yield* Fiber.join(published), { _tag: "TopicRefused", code: "failed" })
          yield* away(client, Effect.void)
          assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "failed" })
          yield* client.publish(room("other"), 7)
          yield* settle
          assert.deepStrictEqual(values(other), [7])
          assert.deepStrictEqual(yield* gateway.members(lobby), [])
          assert.deepStrictEqual(yield* subscriptions(gateway), [["rooms/other"]])
        }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("that takes long holds up no other session, and its requests are answered in their order", () =>
    Effect.gen(function* () {
      yield* makeGateway({ subscribe: ({ room }) => (room === "slow" ? Effect.sleep("5 seconds") : Effect.void) })
      const [ann, bob] = [yield* connect(), yield* connect()]
      const slow = yield* follow(ann.subscribe(room("slow")))
      const after = yield* follow(ann.subscribe(lobby))
      const published = yield* Effect.fork(ann.publish(lobby, 1))
      const other = yield* follow(bob.subscribe(lobby))
      yield* bob.publish(lobby, 2)
      yield* TestClock.adjust(4999)
      assert.deepStrictEqual([values(other), values(after)], [[2], []])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([values(other), values(after)], [[2, 1], [1]])
      assert.strictEqual((yield* Fiber.join(published)).offset, 2)
      yield* fill(9, 9, undefined, "rooms/slow")
      yield* settle
      assert.deepStrictEqual(values(slow), [9])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that a connection's end overtakes answers nobody, and the next connection is judged anew", () =>
    Effect.gen(function* () {
      let asked = 0
      const gateway = yield* makeGateway({
        subscribe: () =>
          Effect.suspend(() => {
            asked++
            return Effect.sleep("5 seconds")
          }),
        presence: true
      })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* TestClock.adjust(2000)
      yield* away(client, Effect.void)
      yield* TestClock.adjust(20_000)
      assert.strictEqual(asked, 2)
      yield* fill(1, 1)
      yield* settle
      assert.deepStrictEqual(values(following), [1])
      assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
      const elsewhere = yield* Elsewhere
      const told = yield* elsewhere.history(`${lobby.name}#presence`, { limit: 10 })
      assert.strictEqual(told.end.offset, 1, "joined once, and never left")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("decides what clients publish; without one they publish nothing", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        topics: [
          rooms({ publish: (_, value) => (value > 0 ? Effect.void : denied("positive numbers")) }),
          Gateway.topic(Any, { subscribe: Gateway.allow })
        ]
      })
      const client = yield* connect()
      yield* client.publish(lobby, 1)
      const code = (effect: Effect.Effect<unknown, unknown>) => Effect.flip(effect)
      assert.deepInclude(yield* code(client.publish(lobby, -1)), {
        _tag: "TopicRefused",
        code: "not-allowed",
        reason: "positive numbers"
      })
      assert.deepInclude(yield* code(client.publish(Any.at({ name: "x" }), 1)), { code: "not-allowed" })
      assert.deepStrictEqual(yield* logged(), [1])
    }).pipe(Effect.provide(TopicWorld))
  )
})
