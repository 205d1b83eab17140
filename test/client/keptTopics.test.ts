/** The topics of a session that is kept beyond its client. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { ConnectionError, Options } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { countingStore, load, startOf, type Tab, tabs } from "../support/keptSessions.js"
import { broker, fill, follow, lobby, makeGateway, only, Room, subscriptions, values } from "../support/topics.js"
import { collect, settle } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const World = Layer.provideMerge(broker(), Layer.merge(MemoryNetwork.layer(), countingStore([])))

/** A page that dies while it follows the lobby, at the position that it came to. */
const followedLobby = (tab: Tab) =>
  Effect.gen(function* () {
    const { client, die } = yield* load(tab)
    yield* settle
    const following = yield* follow(client.subscribe(lobby))
    yield* fill(1, 3)
    yield* settle
    assert.deepStrictEqual(values(following), [1, 2, 3])
    yield* die
    return following.seen.at(-1)?.position
  })

/** The presence of the lobby, as somebody else sees it. */
const watchLobby = Effect.gen(function* () {
  const { client } = yield* load({
    keeper: { open: () => Effect.succeed(undefined) },
    leave: () => {},
    ticket: () => undefined
  })
  const events = yield* collect(client.presence(lobby))
  yield* settle
  return Effect.map(events, (all) => all.map(({ _tag }) => _tag))
})

for (const [name, makeTab] of Object.entries(tabs)) {
  describe(`A session that is kept by ${name}`, () => {
    it.scoped("goes on with a topic that the next page subscribes to before it is connected, without leaving it", () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ presence: true })
        const tab = makeTab()
        const since = yield* followedLobby(tab)
        const presence = yield* watchLobby
        yield* fill(4, 5)
        const next = yield* load(tab)
        const following = yield* follow(next.client.subscribe(lobby, { since }))
        yield* fill(6, 6)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Resumed")
        assert.deepStrictEqual(values(following), [4, 5, 6])
        assert.deepStrictEqual(yield* presence, ["Members"])
        assert.deepInclude(yield* gateway.stats, { sessions: 2 })
      }).pipe(Effect.provide(World))
    )

    it.scoped("goes on with a topic that the next page subscribes to once it is connected, without leaving it", () =>
      Effect.gen(function* () {
        yield* makeGateway({ presence: true })
        const tab = makeTab()
        const since = yield* followedLobby(tab)
        const presence = yield* watchLobby
        const next = yield* load(tab)
        yield* next.client.ready
        const following = yield* follow(next.client.subscribe(lobby, { since }))
        yield* fill(4, 5)
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(values(following), [4, 5])
        assert.deepStrictEqual(yield* presence, ["Members"])
      }).pipe(Effect.provide(World))
    )

    it.scoped("leaves a topic that the next page does not ask for", () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ presence: true })
        const tab = makeTab()
        yield* followedLobby(tab)
        const presence = yield* watchLobby
        const next = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Resumed")
        assert.deepStrictEqual(yield* presence, ["Members"])
        yield* TestClock.adjust(Options.defaults.ackDelay)
        yield* settle
        assert.deepStrictEqual(yield* presence, ["Members", "Left"])
        assert.deepStrictEqual(
          (yield* subscriptions(gateway)).flat().filter((topic) => topic === lobby.name),
          []
        )
        yield* next.die
        // It is not asked about any more.
        const third = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(third.client), "Resumed")
        assert.deepStrictEqual(third.events, [])
      }).pipe(Effect.provide(World))
    )

    it.scoped("is invited again to what its server had invited it to, whether the page before had read it or not", () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(
          { subscribe: () => Effect.fail(new ConnectionError.NotAllowed({ reason: "by invitation" })) },
          {
            onOpen: (session) =>
              Effect.zipRight(session.subscribe(lobby), session.subscribe(Room.at({ room: "other" })))
          }
        )
        const tab = makeTab()
        const first = yield* load(tab)
        yield* settle
        const reading = yield* follow(first.client.subscribe(lobby))
        yield* fill(1, 1)
        yield* settle
        assert.deepStrictEqual(values(reading), [1])
        yield* first.die
        const next = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Resumed")
        const topics = next.events.flatMap((event) => (event._tag === "Invited" ? [event.topic] : []))
        assert.deepStrictEqual([...topics].sort(), [lobby.name, "rooms/other"])
        const following = yield* follow(next.client.subscribe(lobby))
        yield* fill(2, 2)
        yield* settle
        assert.include(values(following), 2)
        const { subscriptions: mine } = yield* (yield* only(gateway)).info
        assert.sameMembers([...mine], [lobby.name, "rooms/other"])
      }).pipe(Effect.provide(World))
    )

    it.scoped("asks for nothing that was of a session which is lost", () =>
      Effect.gen(function* () {
        const network = yield* Network
        const gateway = yield* makeGateway({ presence: true }, { resumeWindow: "1 minute" })
        const tab = makeTab()
        yield* followedLobby(tab)
        yield* network.reach({ _tag: "Refused" })
        yield* TestClock.adjust("2 minutes")
        yield* network.reach({ _tag: "Open" })
        const next = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Reset")
        assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
        yield* next.client.close
      }).pipe(Effect.provide(World))
    )
  })
}
