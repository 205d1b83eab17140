/** Presence with brokers whose requests or answers are on their way, and between gateways. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import { Broker, type Presence } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
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
  worlds
} from "../support/topics.js"
import { settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const presence = true as const
const presenceTopic = `${lobby.name}#presence`

/** `+ann -ann [ann bob]`: who joined, who left, and who was there. */
const told = ({ seen }: Following<Presence.PresenceEvent, unknown>) =>
  seen
    .map((event) => {
      if (event._tag === "Members") return `[${event.members.map(({ principal }) => principal).join(" ")}]`
      return `${{ Joined: "+", Changed: "~", Left: "-" }[event._tag]}${event.member.principal}`
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
        const { events } = yield* watching({ resumeWindow: "1 minute", awayAfter: "1 minute" })
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
