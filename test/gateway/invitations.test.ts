import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ConnectionError } from "holdfast"
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
  subscriptions,
  TopicWorld,
  values
} from "../support/topics.js"
import { collect, settle } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const room = (name: string) => Room.at({ room: name })
const denied = (reason: string) => Effect.fail(new ConnectionError.NotAllowed({ reason }))

describe("An invitation", () => {
  const invited = (inviting: "onOpen" | "later") =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(
        { subscribe: () => denied("by invitation") },
        inviting === "onOpen" ? { onOpen: (session) => session.subscribe(lobby) } : {}
      )
      const client = yield* connect()
      const events = yield* collect(client.events)
      return { gateway, client, events }
    })

  for (const inviting of ["onOpen", "later"] as const) {
    it.scoped(`(${inviting}) has the client subscribed from then on, and its stream finds what came before it`, () =>
      Effect.gen(function* () {
        const { client, events, gateway } = yield* invited(inviting)
        if (inviting === "later") {
          yield* fill(-1, 0)
          yield* (yield* only(gateway)).subscribe(lobby)
          yield* settle
          assert.deepStrictEqual(yield* events, [{ _tag: "Invited", topic: lobby.name }])
        }
        yield* fill(1, 2)
        yield* settle
        const following = yield* follow(client.subscribe(lobby))
        yield* fill(3, 3)
        yield* settle
        assert.deepStrictEqual(values(following), [1, 2, 3])
        yield* away(client, fill(4, 5))
        assert.deepStrictEqual(values(following), range(1, 5))
        assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("survives a connection that is cut before it arrives, and loses nothing", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { client, events, gateway } = yield* invited("later")
      const link = yield* network.latest
      link.silence("server")
      yield* (yield* only(gateway)).subscribe(lobby)
      yield* fill(1, 2)
      yield* away(client, fill(3, 3))
      assert.deepStrictEqual(yield* events, [{ _tag: "Invited", topic: lobby.name }])
      const following = yield* follow(client.subscribe(lobby))
      assert.deepStrictEqual(values(following), [1, 2, 3])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("made while the client is away reaches it when it is back", () =>
    Effect.gen(function* () {
      const { client, events, gateway } = yield* invited("later")
      const session = yield* only(gateway)
      yield* away(client, Effect.zipRight(session.subscribe(lobby), fill(1, 2)))
      assert.deepStrictEqual(yield* events, [{ _tag: "Invited", topic: lobby.name }])
      assert.deepStrictEqual(values(yield* follow(client.subscribe(lobby))), [1, 2])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("may be read from another position, without losing it", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* invited("later")
      yield* fill(1, 3)
      yield* (yield* only(gateway)).subscribe(lobby)
      yield* settle
      const following = yield* follow(client.subscribe(lobby, { since: "oldest" }))
      yield* fill(4, 4)
      yield* settle
      assert.isUndefined(following.end())
      assert.deepStrictEqual(values(following), [1, 2, 3, 4])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("given up while the client is away is not taken up again when it is back", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const events = yield* collect(client.events)
      yield* (yield* only(gateway)).subscribe(lobby)
      yield* settle
      const following = yield* follow(client.subscribe(lobby))
      yield* away(client, following.stop)
      yield* settle
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
      assert.lengthOf(yield* events, 1)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is revoked by session.unsubscribe: the stream fails with its reason, through cuts too", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* invited("later")
      const session = yield* only(gateway)
      yield* session.subscribe(lobby)
      yield* settle
      const first = yield* follow(client.subscribe(lobby))
      yield* session.unsubscribe(lobby, "enough")
      yield* fill(1, 1)
      yield* settle
      assert.deepStrictEqual(values(first), [])
      assert.deepInclude(first.end(), { _tag: "TopicRefused", code: "unsubscribed", reason: "enough" })
      yield* session.subscribe(lobby)
      yield* settle
      const second = yield* follow(client.subscribe(lobby))
      yield* away(client, Effect.zipRight(session.unsubscribe(lobby), fill(2, 2)))
      assert.deepStrictEqual(values(second), [])
      assert.deepInclude(second.end(), { _tag: "TopicRefused", code: "not-allowed" })
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("made while the rule is still judging the client's own request holds", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({
        subscribe: () => Effect.zipRight(Effect.sleep("1 second"), denied("by invitation"))
      })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* (yield* only(gateway)).subscribe(lobby)
      yield* TestClock.adjust(1000)
      yield* fill(1, 1)
      yield* settle
      assert.isUndefined(following.end())
      assert.deepStrictEqual(values(following), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("to more topics than maxSubscriptions is refused, and the client's connection lives", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { maxSubscriptions: 3 })
      const client = yield* connect({ maxSubscriptions: 3 })
      const session = yield* only(gateway)
      for (let i = 0; i < 3; i++) yield* session.subscribe(room(String(i)))
      yield* session.subscribe(room("0"))
      const refused = yield* Effect.flip(session.subscribe(room("3")))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "too-many-subscriptions" })
      yield* settle
      yield* away(client, Effect.void)
      assert.strictEqual((yield* client.status)._tag, "Ready")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("reaches a client that reads as many topics of its own as it may be invited to", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect({ maxSubscriptions: 2 })
      yield* follow(client.subscribe(room("a")))
      yield* follow(client.subscribe(room("b")))
      yield* (yield* only(gateway)).subscribe(lobby)
      yield* settle
      assert.strictEqual((yield* client.status)._tag, "Ready")
      const following = yield* follow(client.subscribe(lobby))
      yield* fill(1, 1)
      yield* settle
      assert.deepStrictEqual(values(following), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("to what is no topic here is refused, and to a session that has ended fails", () =>
    Effect.gen(function* () {
      const { gateway } = yield* invited("later")
      const session = yield* only(gateway)
      const nowhere = yield* Effect.flip(session.subscribe(Any.at({ name: "x" })))
      assert.deepInclude(nowhere, { _tag: "TopicRefused", code: "unknown-topic" })
      yield* session.end("over")
      assert.strictEqual((yield* Effect.flip(session.subscribe(lobby)))._tag, "SessionClosed")
    }).pipe(Effect.provide(TopicWorld))
  )
})
