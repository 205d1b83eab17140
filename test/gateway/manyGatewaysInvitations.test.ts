/** gateway.invite and gateway.unsubscribe: to sessions wherever they live, and whatever becomes of the gateways. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, TestClock } from "effect"
import { ConnectionError, Topic } from "holdfast"
import { crowd, garden, lobby, window } from "../support/crowd.js"
import { collect, settle } from "../support/virtual.js"

/** Two gateways, and ann, whom no rule lets in by herself, on the second. */
const world = Effect.gen(function* () {
  const made = yield* crowd({ gateways: 2, drainSpread: 0 })
  const [a, b] = made.nodes
  if (a === undefined || b === undefined) return assert.fail("two gateways")
  made.banned.add("ann")
  const ann = yield* made.person("ann")
  yield* ann.goAway
  yield* ann.comeBack(b)
  const events = yield* collect(ann.client.events)
  const { session } = yield* ann.client.ready
  return { ...made, a, b, ann, events, session, target: { session } }
})

describe("gateway.invite", () => {
  it.scoped("subscribes a session that lives on another gateway, whatever the rule says", () =>
    Effect.gen(function* () {
      const { a, ann, b, events, target } = yield* world
      assert.strictEqual(yield* a.gateway.invite(lobby, target), 1)
      yield* settle
      assert.deepStrictEqual(yield* events, [{ _tag: "Invited", topic: lobby.name }])
      assert.deepStrictEqual(yield* ann.client.invitations, [lobby.name])
      yield* b.gateway.publish(lobby, 1)
      const { seen } = yield* ann.read()
      yield* a.gateway.publish(lobby, 2)
      yield* settle
      assert.deepStrictEqual(seen, [1, 2])
      assert.deepStrictEqual(yield* a.members(), ["ann"])
    })
  )

  it.scoped("begins where it was asked to: where the topic stood then, at the oldest, or at a position", () =>
    Effect.gen(function* () {
      const { a, ann, target } = yield* world
      const position = yield* a.gateway.publish(lobby, 1)
      yield* a.gateway.publish(lobby, 2)
      yield* a.gateway.publish(garden, 1)
      yield* ann.goAway
      yield* a.gateway.invite(lobby, target, { since: position })
      yield* a.gateway.invite(garden, target, { since: "oldest" })
      yield* a.gateway.publish(garden, 2)
      yield* ann.comeBack(a)
      yield* settle
      assert.deepStrictEqual((yield* ann.read()).seen, [2])
      assert.deepStrictEqual((yield* ann.read(garden)).seen, [1, 2])
    })
  )

  it.scoped("invites all sessions of a principal, wherever they are, and nobody else's", () =>
    Effect.gen(function* () {
      const { ann, b, person } = yield* world
      const tab = yield* person("ann")
      const bob = yield* person("bob")
      const away = yield* person("ann")
      yield* away.goAway
      assert.strictEqual(yield* b.gateway.invite(lobby, { principal: "ann" }), 3)
      yield* settle
      yield* away.comeBack()
      for (const one of [ann, tab, away]) assert.deepStrictEqual(yield* one.client.invitations, [lobby.name])
      assert.deepStrictEqual(yield* bob.client.invitations, [])
      assert.strictEqual(yield* b.gateway.invite(lobby, { principal: "nobody" }), 0)
      assert.strictEqual(yield* b.gateway.invite(lobby, { session: "none" }), 0)
    })
  )

  it.scoped("comes in its turn, among what is sent to the session", () =>
    Effect.gen(function* () {
      const { a, ann, session, target } = yield* world
      const messages = yield* collect(ann.client.messages)
      yield* a.gateway.send(session, "before")
      yield* a.gateway.invite(lobby, target)
      yield* a.gateway.send(session, "after")
      yield* settle
      assert.deepStrictEqual(yield* messages, ["before", "after"])
      assert.deepStrictEqual(yield* ann.client.invitations, [lobby.name])
    })
  )

  it.scoped("reaches a session whose gateway is gone, when its client comes to another one", () =>
    Effect.gen(function* () {
      const { a, ann, b, target } = yield* world
      yield* ann.goAway
      yield* Effect.fork(b.close)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* a.gateway.invite(lobby, target), 1)
      yield* a.gateway.publish(lobby, 1)
      yield* ann.comeBack(a)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* ann.read()).seen, [1])
    })
  )

  it.scoped("lasts when the session moves to another gateway, which no rule would let it in", () =>
    Effect.gen(function* () {
      const { a, ann, b, target } = yield* world
      yield* a.gateway.invite(lobby, target)
      yield* settle
      const reading = yield* ann.read()
      for (const next of [a, b, a]) {
        yield* ann.goAway
        yield* ann.comeBack(next)
        yield* TestClock.adjust("1 second")
        yield* next.gateway.publish(lobby, reading.seen.length)
        yield* settle
      }
      assert.deepStrictEqual(reading.seen, [0, 1, 2])
      assert.deepStrictEqual(yield* a.members(), ["ann"])
      // Its client has left: that is known everywhere, too.
      yield* reading.stop
      yield* settle
      yield* ann.goAway
      yield* ann.comeBack(b)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* ann.client.invitations, [])
      assert.include(yield* (yield* ann.read()).failure, "TopicRefused not-allowed")
    })
  )

  it.scoped("does what session.subscribe does, which lasts as well", () =>
    Effect.gen(function* () {
      const { a, ann, b, sessionOf } = yield* world
      yield* ann.goAway
      yield* ann.comeBack(a)
      yield* (yield* sessionOf("ann")).subscribe(lobby)
      yield* settle
      yield* ann.goAway
      yield* ann.comeBack(b)
      yield* TestClock.adjust("1 second")
      yield* b.gateway.publish(lobby, 1)
      assert.deepStrictEqual((yield* ann.read()).seen, [1])
    })
  )

  it.scoped("is of topics that the gateway has", () =>
    Effect.gen(function* () {
      const { a, target } = yield* world
      const none = Topic.make("none", Schema.Unknown).at()
      assert.deepInclude(yield* Effect.flip(a.gateway.invite(none, target)), { code: "unknown-topic" })
      assert.deepInclude(yield* Effect.flip(a.gateway.unsubscribe(none, target)), { code: "unknown-topic" })
      const presence = { name: `${lobby.name}#presence` }
      assert.deepInclude(yield* Effect.flip(a.gateway.invite(presence, target)), { code: "not-allowed" })
    })
  )
})

describe("gateway.unsubscribe", () => {
  it.scoped("ends a subscription on another gateway, with its reason, whoever wished it", () =>
    Effect.gen(function* () {
      const { a, ann, b, banned, events, person, target } = yield* world
      yield* a.gateway.invite(lobby, target)
      yield* settle
      const reading = yield* ann.read()
      assert.strictEqual(yield* a.gateway.unsubscribe(lobby, target, "moderated"), 1)
      yield* settle
      assert.include(yield* reading.failure, "moderated")
      assert.deepStrictEqual(yield* ann.client.invitations, [])
      assert.deepStrictEqual(yield* a.members(), [])
      assert.lengthOf(yield* events, 1)
      const bob = yield* person("bob")
      yield* bob.goAway
      yield* bob.comeBack(b)
      const bobs = yield* bob.read()
      banned.add("bob")
      yield* a.gateway.unsubscribe(lobby, { principal: "bob" })
      yield* settle
      assert.include(yield* bobs.failure, "the server ended the subscription")
      // Of what one is not subscribed to it says nothing.
      assert.strictEqual(yield* a.gateway.unsubscribe(garden, { principal: "bob" }), 1)
      yield* settle
      assert.deepInclude(yield* bob.client.status, { _tag: "Ready" })
    })
  )

  it.scoped("that comes after an invitation undoes it, before anybody has read it", () =>
    Effect.gen(function* () {
      const { a, ann, target } = yield* world
      yield* ann.goAway
      yield* a.gateway.invite(lobby, target)
      yield* a.gateway.unsubscribe(lobby, target)
      yield* ann.comeBack(a)
      yield* TestClock.adjust(window)
      assert.deepStrictEqual(yield* ann.client.invitations, [])
      assert.include(yield* (yield* ann.read()).failure, "not-allowed")
    })
  )
})

describe("An order", () => {
  it.scoped("is carried out once the store can be asked, and fails while it cannot be left", () =>
    Effect.gen(function* () {
      const { a, ann, store, target } = yield* world
      const unavailable = new ConnectionError.StoreUnavailable({ cause: "down" })
      const { post } = store
      Object.assign(store, { post: () => Effect.fail(unavailable) })
      const failing = yield* Effect.fork(Effect.flip(a.gateway.invite(lobby, target)))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* failing.await)._tag, "Success")
      Object.assign(store, { post })
      assert.strictEqual(yield* a.gateway.invite(lobby, target), 1)
      yield* settle
      assert.deepStrictEqual(yield* ann.client.invitations, [lobby.name])
    })
  )

  it.scoped("that is not known here is logged, and nothing is held up", () =>
    Effect.gen(function* () {
      const { a, ann, session, store } = yield* world
      const messages = yield* collect(ann.client.messages)
      const bounds = { messages: 10, bytes: 1000 }
      yield* store.post(session, { key: "x", payload: '{"_tag":"Dance"}', isOrder: true }, bounds)
      yield* store.post(session, { key: "y", payload: "no JSON", isOrder: true }, bounds)
      yield* a.gateway.send(session, "after")
      yield* settle
      assert.deepStrictEqual(yield* messages, ["after"])
    })
  )

  it.scoped("to subscribe to more than there may be is logged, and leaves what there is", () =>
    Effect.gen(function* () {
      const made = yield* crowd({ gateways: 1, maxSubscriptions: 1 })
      const ann = yield* made.person("ann")
      const { seen } = yield* ann.read()
      assert.strictEqual(yield* made.gateway.invite(garden, { principal: "ann" }), 1)
      yield* made.gateway.publish(lobby, 1)
      yield* settle
      assert.deepStrictEqual(yield* ann.client.invitations, [])
      assert.deepStrictEqual(seen, [1])
    })
  )
})
