import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { Broker, type Client, ConnectionError } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { settle, World } from "./support.js"
import {
  away,
  broker,
  connect,
  Elsewhere,
  type Following,
  fill,
  follow,
  lobby,
  makeGateway,
  pass,
  TopicWorld,
  worlds
} from "./topicSupport.js"

const { MemoryNetwork: Network } = MemoryNetwork
const presence = true as const
const presenceTopic = `${lobby.name}#presence`

/** `+ann -ann [ann bob]`: who joined, who left, and who was there. */
const told = ({ seen }: Following<Client.PresenceEvent, unknown>) =>
  seen
    .map((event) => {
      if (event._tag === "Members") return `[${event.members.map(({ principal }) => principal).join(" ")}]`
      return `${event._tag === "Joined" ? "+" : "-"}${event.member.principal}`
    })
    .join(" ")

const people = (gateway: {
  readonly members: (topic: typeof lobby) => Effect.Effect<ReadonlyArray<{ readonly principal: string }>, unknown>
}) => Effect.map(gateway.members(lobby), (members) => members.map(({ principal }) => principal).sort())

const watching = (options?: Parameters<typeof makeGateway>[1]) =>
  Effect.gen(function* () {
    const gateway = yield* makeGateway({ presence }, options)
    const watcher = yield* connect({ token: "watcher" })
    const events = yield* follow(watcher.presence(lobby))
    return { gateway, watcher, events }
  })

for (const [name, world] of Object.entries(worlds)) {
  describe(`Presence, with a broker that answers ${name},`, () => {
    it.scoped("tells who is there, and then who joins and who leaves", () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ presence })
        const ann = yield* connect({ token: "ann" })
        yield* follow(ann.subscribe(lobby))
        yield* pass
        const watcher = yield* connect({ token: "watcher" })
        const events = yield* follow(watcher.presence(lobby))
        yield* pass
        const bob = yield* connect({ token: "bob" })
        const reading = yield* follow(bob.subscribe(lobby))
        yield* pass
        yield* reading.stop
        yield* pass
        assert.strictEqual(told(events), "[ann] +bob -bob")
        assert.deepStrictEqual(
          yield* people(gateway).pipe(Effect.fork, Effect.zipLeft(pass), Effect.flatMap(Fiber.join)),
          ["ann"]
        )
      }).pipe(Effect.provide(world))
    )

    it.scoped("does not flap while a member is away within its resume window, however often", () =>
      Effect.gen(function* () {
        const { events } = yield* watching({ resumeWindow: "1 minute" })
        yield* pass
        const ann = yield* connect({ token: "ann" })
        yield* follow(ann.subscribe(lobby))
        yield* pass
        for (let i = 0; i < 5; i++) yield* away(ann, TestClock.adjust("30 seconds"))
        yield* pass
        assert.strictEqual(told(events), "[] +ann")
      }).pipe(Effect.provide(world))
    )

    it.scoped("tells the watcher, after its own reconnect, just what it missed", () =>
      Effect.gen(function* () {
        const { events } = yield* watching()
        yield* pass
        const ann = yield* connect({ token: "ann" })
        const bob = yield* connect({ token: "bob" })
        const annReads = yield* follow(ann.subscribe(lobby))
        yield* pass
        const [link] = yield* (yield* Network).links
        link?.cut()
        yield* follow(bob.subscribe(lobby))
        yield* TestClock.adjust(300)
        yield* annReads.stop
        yield* TestClock.adjust(300)
        assert.strictEqual(told(events), "[] +ann", "it comes back after a second")
        yield* TestClock.adjust(5000)
        assert.strictEqual(told(events), "[] +ann +bob -ann")
      }).pipe(Effect.provide(world))
    )
  })
}

describe("A member", () => {
  for (const [after, expected] of [
    [60_000, "[] +ann"],
    [60_001, "[] +ann -ann"]
  ] as const) {
    it.scoped(`that stays away has${after === 60_000 ? " not" : ""} left after ${after} ms of a window of 60 s`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { events, gateway, watcher } = yield* watching({ resumeWindow: "1 minute" })
        const ann = yield* connect({ token: "ann" })
        yield* follow(ann.subscribe(lobby))
        yield* settle
        const link = yield* network.latest
        yield* network.reach({ _tag: "Refused" })
        link.cut()
        yield* TestClock.adjust(after)
        assert.strictEqual(told(events), expected)
        assert.lengthOf(yield* people(gateway), after === 60_000 ? 1 : 0)
        assert.strictEqual((yield* watcher.status)._tag, "Ready")
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("leaves at once when it says bye, when the server ends it, and when its handler fails", () =>
    Effect.gen(function* () {
      const { events, gateway } = yield* watching({
        onMessage: () => Effect.fail("a fault")
      })
      for (const how of ["bye", "end", "fail"] as const) {
        const ann = yield* connect({ token: how })
        yield* follow(ann.subscribe(lobby))
        yield* settle
        if (how === "bye") yield* ann.close
        if (how === "fail") yield* ann.send("this fails")
        if (how === "end") {
          for (const session of yield* gateway.sessions) if (session.principal.id === how) yield* session.end("over")
        }
        yield* settle
      }
      assert.strictEqual(told(events), "[] +bye -bye +end -end +fail -fail")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is a session: of two of one principal one may leave", () =>
    Effect.gen(function* () {
      const { events, gateway } = yield* watching()
      const [one, two] = [yield* connect({ token: "ann" }), yield* connect({ token: "ann" })]
      yield* follow(one.subscribe(lobby))
      yield* follow(two.subscribe(lobby))
      yield* settle
      yield* one.close
      yield* settle
      assert.strictEqual(told(events), "[] +ann +ann -ann")
      assert.deepStrictEqual(yield* people(gateway), ["ann"])
      const sessions = new Set(events.seen.flatMap((event) => (event._tag === "Members" ? [] : [event.member.session])))
      assert.strictEqual(sessions.size, 2)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that comes back in a new session is another one: the old one left when its window had passed", () =>
    Effect.gen(function* () {
      const { events, gateway } = yield* watching({ resumeWindow: "10 seconds" })
      const ann = yield* connect({ token: "ann" })
      yield* follow(ann.subscribe(lobby))
      yield* settle
      const network = yield* Network
      const link = yield* network.latest
      yield* network.reach({ _tag: "Refused" })
      link.cut()
      yield* TestClock.adjust(10_001)
      yield* network.reach({ _tag: "Open" })
      yield* ann.reconnect
      yield* settle
      assert.strictEqual(told(events), "[] +ann -ann +ann")
      assert.deepStrictEqual(yield* people(gateway), ["ann"])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that unsubscribes while it is away leaves when it is back", () =>
    Effect.gen(function* () {
      const { events } = yield* watching()
      const ann = yield* connect({ token: "ann" })
      const reading = yield* follow(ann.subscribe(lobby))
      yield* settle
      yield* away(ann, Effect.zipRight(reading.stop, settle))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(told(events), "[] +ann -ann")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is nobody who only watches, and nobody whom the rule refused", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({
        presence,
        subscribe: (_, { principal }) =>
          principal.id === "eve" ? Effect.fail(new ConnectionError.NotAllowed({ reason: "no" })) : Effect.void
      })
      const [ann, eve] = [yield* connect({ token: "ann" }), yield* connect({ token: "eve" })]
      const watched = yield* follow(ann.presence(lobby))
      const refused = yield* follow(eve.presence(lobby))
      yield* follow(eve.subscribe(lobby))
      assert.strictEqual(told(watched), "[]")
      assert.deepInclude(refused.end(), { _tag: "TopicRefused", code: "not-allowed" })
      assert.deepStrictEqual(yield* people(gateway), [])
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("A watcher", () => {
  it.scoped("whose presence log has expired is told who is there anew", () =>
    Effect.gen(function* () {
      const { events, watcher } = yield* watching({ resumeWindow: "1 hour" })
      const ann = yield* connect({ token: "ann" })
      const bob = yield* connect({ token: "bob" })
      const annReads = yield* follow(ann.subscribe(lobby))
      yield* settle
      const network = yield* Network
      const [link] = yield* network.links
      yield* network.reach({ _tag: "Refused" })
      link?.cut()
      yield* annReads.stop
      yield* follow(bob.subscribe(lobby))
      yield* TestClock.adjust("6 minutes")
      yield* network.reach({ _tag: "Open" })
      yield* watcher.reconnect
      yield* settle
      assert.strictEqual(told(events), "[] +ann [bob]")
      assert.isUndefined(events.end())
      yield* ann.close
      yield* bob.close
      yield* settle
      assert.strictEqual(told(events), "[] +ann [bob] -bob", "and goes on from there")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("in a new session goes on where it was", () =>
    Effect.gen(function* () {
      const { events, watcher } = yield* watching({ resumeWindow: "10 seconds" })
      const network = yield* Network
      const link = yield* network.latest
      const ann = yield* connect({ token: "ann" })
      yield* network.reach({ _tag: "Refused" })
      link.cut()
      yield* follow(ann.subscribe(lobby))
      yield* TestClock.adjust("20 seconds")
      yield* network.reach({ _tag: "Open" })
      yield* watcher.reconnect
      yield* settle
      assert.strictEqual(told(events), "[] +ann")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that does not pull is paused like any other, and misses nothing", () =>
    Effect.gen(function* () {
      yield* makeGateway({ presence })
      const watcher = yield* connect({ token: "watcher", queueMessages: 2 })
      const gate = yield* Effect.makeLatch(false)
      const events = yield* follow(watcher.presence(lobby).pipe((stream) => Stream.tap(stream, () => gate.await)))
      const ann = yield* connect({ token: "ann" })
      for (let i = 0; i < 10; i++) {
        const reading = yield* follow(ann.subscribe(lobby))
        yield* settle
        yield* reading.stop
        yield* settle
      }
      yield* gate.open
      yield* settle
      assert.strictEqual(told(events), `[] ${Array.from({ length: 10 }, () => "+ann -ann").join(" ")}`)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a topic that does not tell who is there is refused", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const events = yield* follow(client.presence(lobby))
      yield* follow(client.subscribe(lobby))
      assert.deepInclude(events.end(), { _tag: "TopicRefused", code: "unknown-topic" })
      assert.deepStrictEqual(yield* people(gateway), [])
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("Between gateways of one broker and one store,", () => {
  /** A gateway of its own; the Listener is the next one's when its scope has closed. */
  const instance = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const gateway = yield* Scope.extend(makeGateway({ presence }, { drainSpread: 0, resumeWindow: "1 minute" }), scope)
    const close = Effect.gen(function* () {
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(200)
      yield* Fiber.join(closing)
    })
    return { gateway, close }
  })

  const log = Effect.gen(function* () {
    const elsewhere = yield* Elsewhere
    const changes = yield* elsewhere.history(presenceTopic, { limit: 100 })
    const { members } = yield* elsewhere.members(lobby.name, presenceTopic)
    const told =
      changes._tag === "Complete"
        ? changes.publications.map(({ payload }) => JSON.parse(payload)._tag as string)
        : [changes.reason]
    return { told, members: members.length }
  })

  for (const [name, delays] of [
    ["at once", undefined],
    ["late", { there: 20, back: 25 }]
  ] as const) {
    const world = Layer.provideMerge(broker(delays), World)
    it.scoped(`one that resumes where another shut down never left (a broker that answers ${name})`, () =>
      Effect.gen(function* () {
        const first = yield* instance
        const ann = yield* connect({ token: "ann" })
        const following = yield* follow(ann.subscribe(lobby))
        yield* pass
        yield* first.close
        const second = yield* instance
        yield* fill(1, 1)
        yield* TestClock.adjust("30 seconds")
        assert.deepInclude(yield* ann.status, { _tag: "Ready", start: { _tag: "Resumed" } })
        const elsewhere = yield* Elsewhere
        yield* TestClock.adjust("10 minutes")
        yield* elsewhere.expire
        yield* settle
        assert.strictEqual((yield* log).members, 1)
        assert.deepStrictEqual((yield* elsewhere.history(presenceTopic, { limit: 0 })).end.offset, 1)
        assert.deepStrictEqual(
          following.seen.map(({ value }) => value),
          [1]
        )
        void second
      }).pipe(Effect.provide(world))
    )

    it.scoped(`one that does not come back has left when its window has passed (a broker that answers ${name})`, () =>
      Effect.gen(function* () {
        const first = yield* instance
        const ann = yield* connect({ token: "ann" })
        yield* follow(ann.subscribe(lobby))
        yield* pass
        const network = yield* Network
        yield* network.reach({ _tag: "Refused" })
        yield* first.close
        const elsewhere = yield* Elsewhere
        yield* TestClock.adjust(59_000)
        yield* elsewhere.expire
        assert.deepStrictEqual(yield* log, { told: ["Joined"], members: 1 })
        yield* TestClock.adjust(2000)
        yield* elsewhere.expire
        assert.deepStrictEqual(yield* log, { told: ["Joined", "Left"], members: 0 })
      }).pipe(Effect.provide(world))
    )

    it.scoped(`one that gave up its topic meanwhile leaves where it resumes (a broker that answers ${name})`, () =>
      Effect.gen(function* () {
        const first = yield* instance
        const ann = yield* connect({ token: "ann" })
        const reading = yield* follow(ann.subscribe(lobby))
        yield* pass
        yield* first.close
        yield* reading.stop
        yield* settle
        yield* instance
        yield* TestClock.adjust("30 seconds")
        assert.deepInclude(yield* ann.status, { _tag: "Ready", start: { _tag: "Resumed" } })
        assert.deepStrictEqual(yield* log, { told: ["Joined", "Left"], members: 0 })
      }).pipe(Effect.provide(world))
    )
  }

  it.scoped("a departure that arrives late does not take away who has resumed elsewhere", () =>
    Effect.gen(function* () {
      const inner = yield* Broker.makeMemory()
      // The first gateway's `leave` is two seconds on its way.
      const slow: Broker.Broker["Type"] = {
        ...inner,
        leave: (session, options) => Effect.zipRight(Effect.sleep("2 seconds"), inner.leave(session, options))
      }
      const scope = yield* Scope.make()
      const options = { drainSpread: 0, resumeWindow: "1 minute" } as const
      yield* makeGateway({ presence }, options).pipe(Effect.provideService(Broker.Broker, slow), Scope.extend(scope))
      const ann = yield* connect({ token: "ann" })
      yield* follow(ann.subscribe(lobby))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(50)
      yield* makeGateway({ presence }, options).pipe(Effect.provideService(Broker.Broker, inner))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* ann.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      yield* TestClock.adjust("5 minutes")
      yield* inner.expire
      const { members } = yield* inner.members(lobby.name, presenceTopic)
      assert.lengthOf(members, 1)
    }).pipe(Effect.provide(World))
  )
})
