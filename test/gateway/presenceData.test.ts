/** What members say of themselves: told, changed, judged, kept through reconnects, and bounded. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream, TestClock } from "effect"
import { Broker, type Client, ConnectionError, Gateway, Messages, Presence, Topic } from "holdfast"
import { join } from "../support/peer.js"
import { away, connect, follow, pass, TopicWorld } from "../support/topics.js"
import { collect, settle } from "../support/virtual.js"

const About = Schema.Struct({ name: Schema.String, since: Schema.DateFromString })
const Room = Topic.make("rooms/:room", Schema.Unknown, { presence: About })
const lobby = Room.at({ room: "lobby" })
type About = typeof About.Type
const about = (name: string, at = 0): About => ({ name, since: new Date(at) })

type PresenceOption = Parameters<
  typeof Gateway.topic<unknown, { readonly room: string }, Gateway.Principal, never, never, About>
>[1]["presence"]

const gatewayWith = (presence: PresenceOption = true, options: { readonly awayAfter?: number } = {}) =>
  Gateway.make({
    ...options,
    messages: Messages.json,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "anonymous" }),
    onMessage: () => Effect.void,
    topics: [Gateway.topic(Room, { subscribe: Gateway.allow, presence })]
  })

const shown = ({ data, principal }: Presence.Member<About>) =>
  data === undefined ? principal : `${principal}: ${data.name} ${data.since.getTime()}`

const told = (event: Presence.PresenceEvent<About>) =>
  event._tag === "Members" ? ["Members", ...event.members.map(shown)].join(" ") : `${event._tag} ${shown(event.member)}`

const watch = (client: Client.Client<unknown, unknown>) => follow(Stream.map(client.presence(lobby), told))

const annAndWatcher = (presence?: PresenceOption, said: About | undefined = about("Ann")) =>
  Effect.gen(function* () {
    const gateway = yield* gatewayWith(presence)
    const watcher = yield* connect({ token: "watcher" })
    const { seen } = yield* watch(watcher)
    const ann = yield* connect({ token: "ann" })
    const events = yield* collect(ann.events)
    const reading = yield* follow(ann.subscribe(lobby, { presence: said }))
    yield* pass
    return { gateway, watcher, ann, events, reading, seen }
  })

describe("A member's data", () => {
  it.scoped("is told with it, in the types of the topic's Schema, to those who watch and to the gateway", () =>
    Effect.gen(function* () {
      const { gateway, seen, watcher } = yield* annAndWatcher()
      assert.deepStrictEqual(seen, ["Members", "Joined ann: Ann 0"])
      const [member] = yield* gateway.members(lobby)
      assert.deepStrictEqual(member?.data, about("Ann"))
      const roster = yield* Stream.runHead(Presence.roster((yield* connect({ token: "late" })).presence(lobby)))
      assert.deepStrictEqual(roster._tag === "Some" ? roster.value.map(shown) : [], ["ann: Ann 0"])
      assert.strictEqual((yield* watcher.status)._tag, "Ready")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("changes when the member says so, which waits until that is told", () =>
    Effect.gen(function* () {
      const { ann, gateway, seen } = yield* annAndWatcher()
      yield* ann.updatePresence(lobby, about("Anna", 7))
      yield* settle
      assert.deepStrictEqual(seen.slice(1), ["Joined ann: Ann 0", "Changed ann: Anna 7"])
      // The same again is no change.
      yield* ann.updatePresence(lobby, about("Anna", 7))
      yield* settle
      assert.strictEqual(seen.length, 3)
      assert.deepStrictEqual((yield* gateway.members(lobby))[0]?.data, about("Anna", 7))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("may be none: who says nothing is told by its ids alone, and may say something later", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayWith()
      const watcher = yield* connect({ token: "watcher" })
      const { seen } = yield* watch(watcher)
      const ann = yield* connect({ token: "ann" })
      yield* follow(ann.subscribe(lobby))
      yield* ann.updatePresence(lobby, about("Ann"))
      yield* settle
      assert.deepStrictEqual(seen, ["Members", "Joined ann", "Changed ann: Ann 0"])
      assert.lengthOf(yield* gateway.members(lobby), 1)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is what was said last, through reconnects and in a new session", () =>
    Effect.gen(function* () {
      const { ann, gateway, seen } = yield* annAndWatcher()
      yield* ann.updatePresence(lobby, about("Anna"))
      yield* away(ann, TestClock.adjust("1 second"))
      yield* pass
      assert.deepStrictEqual((yield* gateway.members(lobby))[0]?.data, about("Anna"))
      assert.deepStrictEqual(seen.slice(1), ["Joined ann: Ann 0", "Changed ann: Anna 0"])
      yield* gateway.disconnect({ principal: "watcher" })
      for (const session of yield* gateway.sessions) yield* session.end("again", { final: false })
      yield* pass
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* gateway.members(lobby)).map(shown), ["ann: Anna 0"])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that changes while the client is away is told when it is back", () =>
    Effect.gen(function* () {
      const { ann, gateway } = yield* annAndWatcher()
      const saying = yield* away(
        ann,
        Effect.tap(Effect.fork(ann.updatePresence(lobby, about("Anna"))), () => TestClock.adjust("1 second"))
      )
      yield* Fiber.join(saying)
      assert.deepStrictEqual((yield* gateway.members(lobby))[0]?.data, about("Anna"))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("stays while it is away, of which it is told beside", () =>
    Effect.gen(function* () {
      const { ann, gateway, seen } = yield* annAndWatcher()
      yield* away(
        ann,
        Effect.gen(function* () {
          yield* TestClock.adjust("10 seconds")
          assert.deepInclude((yield* gateway.members(lobby))[0], { data: about("Ann") })
          assert.property((yield* gateway.members(lobby))[0], "away")
        })
      )
      assert.strictEqual(seen[1], "Joined ann: Ann 0")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is told of a client that was invited, and reads with it", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayWith()
      const ann = yield* connect({ token: "ann" })
      for (const session of yield* gateway.sessions) yield* session.subscribe(lobby)
      yield* pass
      assert.notProperty((yield* gateway.members(lobby))[0], "data")
      yield* follow(ann.subscribe(lobby, { presence: about("Ann") }))
      yield* pass
      assert.deepStrictEqual((yield* gateway.members(lobby))[0]?.data, about("Ann"))
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("A rule", () => {
  it.scoped("may decide what is told: the name of the principal, whatever the member says", () =>
    Effect.gen(function* () {
      const { ann, seen } = yield* annAndWatcher({
        data: ({ room }, said, { principal }) =>
          Effect.succeed(about(`${principal.id} of ${room}`, said?.since.getTime()))
      })
      yield* ann.updatePresence(lobby, about("the king", 5))
      yield* settle
      assert.deepStrictEqual(seen.slice(1), ["Joined ann: ann of lobby 0", "Changed ann: ann of lobby 5"])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("may say something of those who say nothing", () =>
    Effect.gen(function* () {
      const { seen } = yield* annAndWatcher(
        { data: (_, said, { principal }) => Effect.succeed(said ?? about(principal.id)) },
        undefined
      )
      assert.deepStrictEqual(seen.slice(1), ["Joined ann: Ann 0"])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("may refuse it: the update fails and nothing changes, the subscription is refused", () =>
    Effect.gen(function* () {
      const { ann, gateway, reading, seen } = yield* annAndWatcher({
        data: (_, said) =>
          said?.name === "the king" ? new ConnectionError.NotAllowed({ reason: "no kings" }) : Effect.succeed(said)
      })
      const refused = yield* Effect.flip(ann.updatePresence(lobby, about("the king")))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "not-allowed", reason: "no kings" })
      assert.strictEqual(reading.end(), undefined)
      // It is not said again on the next connection.
      yield* away(ann, TestClock.adjust("1 second"))
      assert.strictEqual(reading.end(), undefined)
      assert.deepStrictEqual((yield* gateway.members(lobby))[0]?.data, about("Ann"))
      const bob = yield* connect({ token: "bob" })
      const other = yield* follow(bob.subscribe(lobby, { presence: about("the king") }))
      yield* pass
      assert.deepInclude(other.end(), { _tag: "TopicRefused", code: "not-allowed" })
      assert.deepStrictEqual(seen.slice(1), ["Joined ann: Ann 0"])
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("Refused is", () => {
  const raw = Effect.gen(function* () {
    const { peer } = yield* join({ token: "eve" })
    const said = (type: string) => peer.said(type).at(-1)
    return { ...peer, said }
  })
  const encoded = (name: string) => ({ name, since: new Date(0).toISOString() })

  it.scoped("data that does not fit the Schema, and data that is too large, with the request's id", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayWith({ maxBytes: 100 })
      const peer = yield* raw
      yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name, data: { name: 1 } })
      assert.deepInclude(peer.said("error"), { id: 1, code: "invalid-presence" })
      yield* peer.say({ type: "subscribe", id: 2, topic: lobby.name, data: encoded("x".repeat(100)) })
      assert.deepInclude(peer.said("error"), { id: 2, code: "too-large" })
      assert.deepStrictEqual(yield* gateway.members(lobby), [])
      yield* peer.say({ type: "subscribe", id: 3, topic: lobby.name, data: encoded("Eve") })
      assert.deepInclude(peer.said("subscribed"), { id: 3 })
      const presence = `${lobby.name}#presence`
      yield* peer.say({ type: "publish", id: 4, topic: presence, body: "Eve" })
      assert.deepInclude(peer.said("error"), { id: 4, code: "invalid-presence" })
      yield* peer.say({ type: "publish", id: 5, topic: presence, body: encoded("x".repeat(100)) })
      assert.deepInclude(peer.said("error"), { id: 5, code: "too-large" })
      yield* peer.say({ type: "publish", id: 6, topic: presence, key: "k", body: encoded("Eva") })
      assert.deepInclude(peer.said("published"), {
        id: 6,
        position: (yield* (yield* Broker.Broker).members(lobby.name, presence)).position
      })
      assert.deepStrictEqual((yield* gateway.members(lobby)).map(shown), ["eve: Eva 0"])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("data of a topic that one is not subscribed to, at either end", () =>
    Effect.gen(function* () {
      yield* gatewayWith()
      const peer = yield* raw
      yield* peer.say({ type: "publish", id: 1, topic: `${lobby.name}#presence`, body: encoded("Eve") })
      assert.deepInclude(peer.said("error"), { id: 1, code: "not-subscribed" })
      const ann = yield* connect({ token: "ann" })
      const refused = yield* Effect.flip(ann.updatePresence(lobby, about("Ann")))
      assert.deepInclude(refused, { _tag: "TopicRefused", code: "not-subscribed" })
      const reading = yield* follow(ann.subscribe(lobby))
      yield* reading.stop
      yield* pass
      assert.deepInclude(yield* Effect.flip(ann.updatePresence(lobby, about("Ann"))), { code: "not-subscribed" })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("data where the topic has no Schema for it", () =>
    Effect.gen(function* () {
      const Plain = Topic.make("plain", Schema.Unknown)
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: () => Effect.succeed({ id: "eve" }),
        onMessage: () => Effect.void,
        topics: [Gateway.topic(Plain, { subscribe: Gateway.allow, presence: true })]
      })
      const peer = yield* raw
      yield* peer.say({ type: "subscribe", id: 1, topic: "plain", data: "x" })
      assert.deepInclude(peer.said("error"), { id: 1, code: "not-allowed" })
      yield* peer.say({ type: "subscribe", id: 2, topic: "plain" })
      yield* peer.say({ type: "publish", id: 3, topic: "plain#presence", body: "x" })
      assert.deepInclude(peer.said("error"), { id: 3, code: "not-allowed" })
    }).pipe(Effect.provide(TopicWorld))
  )
})

it.scoped("What a broker has kept of another Schema is left out, and its member is told all the same", () =>
  Effect.gen(function* () {
    const { gateway, seen } = yield* annAndWatcher()
    const broker = yield* Broker.Broker
    yield* broker.join(
      lobby.name,
      `${lobby.name}#presence`,
      { session: "old", principal: "old", data: { nick: "x" } },
      1
    )
    yield* pass
    assert.deepStrictEqual(seen.slice(2), ["Joined old"])
    assert.deepStrictEqual((yield* gateway.members(lobby)).map(shown).sort(), ["ann: Ann 0", "old"])
  }).pipe(Effect.provide(TopicWorld))
)
