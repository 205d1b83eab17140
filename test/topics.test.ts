import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { Broker, type Client, ConnectionError, Gateway, Messages, type Protocol } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, isRunning, makeClient, settle, World } from "./support.js"
import {
  Any,
  away,
  broker,
  connect,
  delayed,
  Elsewhere,
  fill,
  follow,
  lobby,
  logged,
  makeGateway,
  only,
  pass,
  Room,
  range,
  rooms,
  Spy,
  subscriptions,
  TopicWorld,
  values,
  worlds
} from "./topicSupport.js"

const { MemoryNetwork: Network } = MemoryNetwork
const small: Broker.Retention = { messages: 5, bytes: 1_000_000, age: 60_000 }
const room = (name: string) => Room.at({ room: name })
const denied = (reason: string) => Effect.fail(new ConnectionError.NotAllowed({ reason }))

for (const [name, world] of Object.entries(worlds)) {
  for (const codec of ["json", "msgpack"] as const) {
    type Given = Scope.Scope | Layer.Layer.Success<typeof world>
    const law = (text: string, body: () => Effect.Effect<unknown, unknown, Given>) =>
      it.scoped(text, () => Effect.provide(body(), world))
    const start = (since?: Protocol.Position | "oldest") =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ history: small })
        const client = yield* connect({ codec })
        const following = yield* follow(client.subscribe(lobby, { since }))
        yield* pass
        return { gateway, client, following }
      })

    describe(`A subscription, with a broker that answers ${name} (${codec}),`, () => {
      law("after a reconnect has missed nothing, when nothing was published", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 3, small)
          yield* pass
          yield* away(client, Effect.void)
          yield* fill(4, 4, small)
          yield* pass
          assert.deepStrictEqual(values(following), [1, 2, 3, 4])
          assert.isUndefined(following.end())
        })
      )

      law("that has received nothing yet recovers all that was published while it was away", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* away(client, fill(1, 5, small))
          assert.deepStrictEqual(values(following), range(1, 5))
          assert.deepStrictEqual(
            following.seen.map(({ position, skipped }) => [position.offset, skipped]),
            range(1, 5).map((offset) => [offset, 0])
          )
        })
      )

      law("recovers exactly the history's size, and is refused for one more", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 2, small)
          yield* pass
          yield* away(client, fill(3, 7, small))
          assert.deepStrictEqual(values(following), range(1, 7))
          const [since] = following.seen.slice(-1)
          const [...ends] = yield* away(client, fill(8, 13, small))
          assert.deepStrictEqual(values(following), range(1, 7), "nothing of a recovery that is not complete")
          const lost = following.end()
          if (!(lost instanceof ConnectionError.PositionLost)) return assert.fail(String(lost))
          assert.deepInclude(lost, { topic: lobby.name, reason: "expired" })
          assert.deepStrictEqual(lost.since, since?.position)
          assert.deepStrictEqual(lost.position, ends.at(-1))
          // As its error says: from there on it goes on.
          const next = yield* follow(client.subscribe(lobby, { since: lost.position }))
          yield* fill(14, 14, small)
          yield* pass
          assert.deepStrictEqual(values(next), [14])
        })
      )

      law("from a position of long ago in a quiet topic misses nothing", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 3, small)
          yield* TestClock.adjust("3 hours")
          yield* away(client, Effect.void)
          yield* fill(4, 4, small)
          yield* pass
          assert.deepStrictEqual(values(following), [1, 2, 3, 4])
        })
      )

      law("from `oldest` begins with all that is kept", () =>
        Effect.gen(function* () {
          yield* fill(1, 9, small)
          const { following } = yield* start("oldest")
          assert.deepStrictEqual(values(following), range(5, 9))
        })
      )

      law("from a position goes on after it; without one begins with what is published next", () =>
        Effect.gen(function* () {
          const [, second] = yield* fill(1, 4, small)
          const { client, following } = yield* start(second)
          assert.deepStrictEqual(values(following), [3, 4])
          const other = yield* connect({ codec })
          const fresh = yield* follow(other.subscribe(lobby))
          yield* pass
          yield* fill(5, 5, small)
          yield* pass
          assert.deepStrictEqual(values(fresh), [5])
          yield* away(client, Effect.void)
        })
      )

      law("sees all, once and in order, through cuts at any point while it is published to", () =>
        Effect.gen(function* () {
          const network = yield* Network
          const gateway = yield* makeGateway()
          const client = yield* connect({ codec })
          const following = yield* follow(client.subscribe(lobby, { since: "oldest" }))
          for (let i = 1; i <= 120; i++) {
            yield* fill(i, i)
            for (let turn = 0; turn < i % 7; turn++) yield* Effect.promise(() => Promise.resolve())
            if (i % 11 === 0) yield* TestClock.adjust((i * 7) % 90)
            if (i % 9 === 0) {
              yield* network.cut
              yield* settle
              if (i % 2 === 0) yield* client.reconnect
            }
            if (i % 13 === 0) yield* TestClock.adjust(1000)
          }
          yield* TestClock.adjust(60_000)
          assert.deepStrictEqual(values(following), range(1, 120))
          assert.isTrue(following.seen.every(({ skipped }) => skipped === 0))
          assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
        })
      )

      law("of hundreds of publications recovers them all, page by page, while more are published", () =>
        Effect.gen(function* () {
          yield* makeGateway()
          const client = yield* connect({ codec })
          const following = yield* follow(client.subscribe(lobby))
          yield* pass
          const network = yield* Network
          yield* network.cut
          yield* settle
          yield* fill(1, 450)
          yield* client.reconnect
          for (let i = 451; i <= 500; i++) {
            yield* TestClock.adjust(5)
            yield* fill(i, i)
          }
          yield* TestClock.adjust(5000)
          assert.deepStrictEqual(values(following), range(1, 500))
        })
      )

      law("publishes once what a cut left unanswered, and knows its position", () =>
        Effect.gen(function* () {
          const network = yield* Network
          const { client, following } = yield* start()
          const link = yield* network.latest
          link.silence("server")
          const publishing = yield* Effect.fork(client.publish(lobby, 1))
          yield* pass
          assert.deepStrictEqual(yield* logged(), [1])
          yield* away(client, Effect.void)
          assert.strictEqual((yield* Fiber.join(publishing)).offset, 1)
          assert.deepStrictEqual(yield* logged(), [1])
          assert.deepStrictEqual(values(following), [1])
        })
      )
    })
  }
}

describe("A subscription", () => {
  for (const [late, expected] of [
    [0, "recovers"],
    [1, "is refused"]
  ] as const) {
    it.scoped(`${expected} ${late} ms after the last millisecond of what it missed`, () =>
      Effect.gen(function* () {
        yield* makeGateway({ history: small })
        const client = yield* connect()
        const following = yield* follow(client.subscribe(lobby))
        yield* away(client, Effect.zipRight(fill(1, 1, small), TestClock.adjust(60_000 + late)))
        if (late === 0) assert.deepStrictEqual(values(following), [1])
        else assert.deepInclude(following.end(), { _tag: "PositionLost", reason: "expired" })
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  /** A gateway of its own, on a broker of its own, that is gone when its scope closes. */
  const instance = (options?: Parameters<typeof makeGateway>[1]) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(broker(), scope)
      const gateway = yield* makeGateway(undefined, { drainSpread: 0, ...options }).pipe(
        Effect.provide(context),
        Scope.extend(scope)
      )
      const close = Effect.gen(function* () {
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust(100)
        yield* Fiber.join(closing)
      })
      return { gateway, close, fill: (from: number, to: number) => Effect.provide(fill(from, to), context) }
    })

  it.scoped("that resumes where the log is another one is told so, whatever its offset says", () =>
    Effect.gen(function* () {
      const first = yield* instance()
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* first.fill(1, 3)
      yield* settle
      yield* first.close
      const second = yield* instance()
      yield* second.fill(11, 15)
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      assert.deepStrictEqual(values(following), [1, 2, 3])
      const lost = following.end()
      if (!(lost instanceof ConnectionError.PositionLost)) return assert.fail(String(lost))
      assert.strictEqual(lost.reason, "epoch")
      assert.strictEqual(lost.since?.offset, 3)
      assert.strictEqual(lost.position.offset, 5)
      assert.notStrictEqual(lost.position.epoch, lost.since?.epoch)
    }).pipe(Effect.provide(World))
  )

  it.scoped("from a position beyond the end is told so", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const [first] = yield* fill(1, 1)
      const { epoch } = first ?? assert.fail()
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby, { since: { epoch, offset: 2 } }))
      assert.deepInclude(following.end(), { _tag: "PositionLost", reason: "ahead", position: first ?? assert.fail() })
      // Nobody goes on from elsewhere.
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("goes on in a new session when its own was lost", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { resumeWindow: "10 seconds" })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* fill(1, 2)
      yield* settle
      yield* away(client, Effect.zipRight(TestClock.adjust(10_001), fill(3, 4)))
      const status = yield* client.status
      assert.deepInclude(status._tag === "Ready" ? status.start : status, { _tag: "Reset", reason: "expired" })
      yield* fill(5, 5)
      yield* settle
      assert.deepStrictEqual(values(following), range(1, 5))
      assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("completes, after what has come, when its client is closed or the server ends the session", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const [ann, bob] = [yield* connect({ token: "ann" }), yield* connect({ token: "bob" })]
      const gate = yield* Deferred.make<void>()
      const slow = yield* follow(Stream.tap(ann.subscribe(lobby), () => Deferred.await(gate)))
      const other = yield* follow(bob.subscribe(lobby))
      yield* fill(1, 3)
      yield* settle
      yield* ann.close
      for (const session of yield* gateway.sessions) yield* session.end("enough")
      yield* settle
      assert.strictEqual(other.end(), "completed")
      assert.deepInclude(yield* bob.ended, { _tag: "Stopped" })
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(values(slow), [1, 2, 3])
      assert.strictEqual(slow.end(), "completed")
      assert.strictEqual((yield* follow(ann.subscribe(lobby))).end(), "completed", "of a client that has ended")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is one stream's at a time; another is refused until it has ended", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const first = yield* follow(client.subscribe(lobby))
      const second = yield* follow(client.subscribe(lobby))
      assert.deepInclude(second.end(), { _tag: "TopicRefused", code: "already-subscribed", topic: lobby.name })
      yield* fill(1, 1)
      yield* settle
      yield* first.stop
      yield* settle
      const third = yield* follow(client.subscribe(lobby))
      yield* fill(2, 2)
      yield* settle
      assert.deepStrictEqual([values(first), values(third)], [[1], [2]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that is interrupted is taken again where it was, by its position", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      yield* fill(1, 10)
      const seen: Array<number> = []
      let since: Protocol.Position | "oldest" = "oldest"
      for (let i = 0; i < 5; i++) {
        const two: Stream.Stream<Client.Publication<number>, unknown> = Stream.take(
          client.subscribe(lobby, { since }),
          2
        )
        for (const { position, value } of yield* Stream.runCollect(two)) {
          seen.push(value)
          since = position
        }
      }
      assert.deepStrictEqual(seen, range(1, 10))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("given up while its client is away is given up by the server when it is back", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const other = yield* follow(client.subscribe(room("kept")))
      yield* away(client, following.stop)
      assert.deepStrictEqual(yield* subscriptions(gateway), [["rooms/kept"]])
      yield* away(client, Effect.void)
      assert.isUndefined(other.end())
      assert.deepStrictEqual(yield* subscriptions(gateway), [["rooms/kept"]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("given up on a connection that is dead already is given up on the next", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const link = yield* network.latest
      link.silence("client")
      yield* following.stop
      yield* settle
      assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
      yield* away(client, Effect.void)
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("taken, given up and taken again while its client is away is there once", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const first = yield* follow(client.subscribe(lobby))
      const again = yield* away(
        client,
        Effect.gen(function* () {
          yield* first.stop
          yield* settle
          const second = yield* follow(client.subscribe(lobby))
          yield* second.stop
          yield* settle
          return yield* follow(client.subscribe(lobby))
        })
      )
      yield* fill(1, 2)
      yield* settle
      assert.deepStrictEqual(values(again), [1, 2])
      assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of thousands of topics, taken and given up while the client is away, costs it no connection", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      yield* away(
        client,
        Effect.forEach(range(1, 3000), (n) =>
          Effect.flatMap(follow(client.subscribe(room(String(n)))), ({ stop }) => Effect.zipRight(stop, settle))
        )
      )
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of many topics at once, judged slowly, is refused beyond the limit and costs no connection", () =>
    Effect.gen(function* () {
      const limits = { replayMessages: 10, maxSubscriptions: 5 }
      const gateway = yield* makeGateway({ subscribe: () => Effect.sleep("1 millis") }, limits)
      const client = yield* connect()
      const all = yield* Effect.forEach(range(1, 60), (n) => follow(client.subscribe(room(String(n)))))
      yield* TestClock.adjust(5000)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.lengthOf((yield* subscriptions(gateway))[0] ?? [], 5)
      const refused = all.flatMap(({ end }) => (end() === undefined ? [] : [end()]))
      assert.lengthOf(refused, 55)
      for (const end of refused) assert.deepInclude(end, { _tag: "TopicRefused", code: "too-many-subscriptions" })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is refused at one above maxSubscriptions; one that is given up makes room", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, { maxSubscriptions: 2 })
      const client = yield* connect()
      const first = yield* follow(client.subscribe(room("a")))
      const second = yield* follow(client.subscribe(room("b")))
      const third = yield* follow(client.subscribe(room("c")))
      assert.deepInclude(third.end(), { _tag: "TopicRefused", code: "too-many-subscriptions", topic: "rooms/c" })
      yield* away(client, Effect.void)
      assert.deepStrictEqual([first.end(), second.end()], [undefined, undefined], "both come back")
      yield* first.stop
      yield* settle
      const fourth = yield* follow(client.subscribe(room("c")))
      assert.isUndefined(fourth.end())
      assert.deepStrictEqual(yield* subscriptions(gateway), [["rooms/b", "rooms/c"]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("skips a publication that its Schema does not take, and tells", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const events = yield* collect(client.events)
      const following = yield* follow(client.subscribe(lobby))
      const elsewhere = yield* Elsewhere
      yield* elsewhere.publish(lobby.name, '"no number"')
      yield* fill(2, 2)
      yield* settle
      assert.deepStrictEqual(values(following), [2])
      assert.deepInclude((yield* events)[0], { _tag: "MessageInvalid" })
    }).pipe(Effect.provide(TopicWorld))
  )
})

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

describe("client.publish", () => {
  it.scoped("accepted while the client is away is published when it is back, in order", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const publishing = yield* away(
        client,
        Effect.forEach(range(1, 5), (n) => Effect.zipLeft(Effect.fork(client.publish(lobby, n)), Effect.yieldNow()))
      )
      const offsets = yield* Effect.forEach(publishing, (fiber) =>
        Effect.map(Fiber.join(fiber), ({ offset }) => offset)
      )
      assert.deepStrictEqual(offsets, range(1, 5))
      assert.deepStrictEqual(yield* logged(), range(1, 5))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("publishes each once, in order, through cuts at any point", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* makeGateway()
      const client = yield* connect()
      const publishing: Array<Fiber.Fiber<Protocol.Position, unknown>> = []
      for (let i = 1; i <= 60; i++) {
        publishing.push(yield* Effect.fork(client.publish(lobby, i)))
        for (let turn = 0; turn < i % 7; turn++) yield* Effect.promise(() => Promise.resolve())
        if (i % 4 === 0) yield* network.cut
        if (i % 6 === 0) yield* TestClock.adjust(1000)
      }
      yield* TestClock.adjust(60_000)
      const offsets = yield* Effect.forEach(publishing, (fiber) =>
        Effect.map(Fiber.join(fiber), ({ offset }) => offset)
      )
      assert.deepStrictEqual(offsets, range(1, 60))
      assert.deepStrictEqual(yield* logged(), range(1, 60))
    }).pipe(Effect.provide(TopicWorld))
  )

  const forgetful = Layer.provideMerge(Layer.effect(Broker.Broker, Broker.makeMemory({ keyWindow: 60_000 })), World)

  for (const [after, expected] of [
    [49_999, "published once"],
    [50_000, "OutcomeUnknown"]
  ] as const) {
    it.scoped(`unanswered for ${after} ms of a key window of 60 s is ${expected}`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const gateway = yield* makeGateway()
        const client = yield* connect()
        const link = yield* network.latest
        link.silence("server")
        const publishing = yield* Effect.fork(Effect.either(client.publish(lobby, 1)))
        yield* settle
        yield* away(client, TestClock.adjust(after))
        const fate = yield* Fiber.join(publishing)
        if (after === 49_999) assert.strictEqual(fate._tag === "Right" ? fate.right.offset : fate.left, 1)
        else assert.strictEqual(fate._tag === "Left" ? fate.left._tag : fate.right, "OutcomeUnknown")
        assert.lengthOf((yield* gateway.history(lobby)).publications, 1)
      }).pipe(Effect.provide(forgetful))
    )
  }

  it.scoped("that comes to be written again only when its key may be forgotten is not written: OutcomeUnknown", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway({}, { writeDeadline: "5 minutes", readDeadline: "10 minutes" })
      const client = yield* connect({ writeDeadline: "5 minutes", readDeadline: "10 minutes", highWaterMark: 1 })
      const link = yield* network.latest
      link.silence("server")
      const publishing = yield* Effect.fork(Effect.either(client.publish(lobby, 1)))
      yield* settle
      yield* network.onLink((next) => next.stall("client"))
      yield* away(client, TestClock.adjust(1000))
      // The connection takes the hello only now, and what waits behind it: after the key window.
      yield* TestClock.adjust(1)
      const next = yield* network.latest
      next.release("client")
      yield* settle
      next.stall("client")
      yield* TestClock.adjust(60_000)
      next.release("client")
      yield* TestClock.adjust(1000)
      const fate = yield* Fiber.join(publishing)
      const { publications } = yield* gateway.history(lobby)
      assert.lengthOf(publications, 1, "published once, whatever is known of it")
      assert.include(["Right", "OutcomeUnknown"], fate._tag === "Right" ? "Right" : fate.left._tag)
    }).pipe(Effect.provide(forgetful))
  )

  it.scoped("never written is NotSent when the client ends; written and unanswered, OutcomeUnknown", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* makeGateway()
      const client = yield* connect()
      const link = yield* network.latest
      link.silence("server")
      const written = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
      yield* settle
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut
      yield* settle
      const never = yield* Effect.fork(Effect.flip(client.publish(lobby, 2)))
      yield* settle
      yield* client.close
      assert.strictEqual((yield* Fiber.join(written))._tag, "OutcomeUnknown")
      assert.strictEqual((yield* Fiber.join(never))._tag, "NotSent")
      assert.strictEqual((yield* Effect.flip(client.publish(lobby, 3)))._tag, "NotSent")
      assert.deepStrictEqual(yield* logged(), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("interrupted before it was written is not published, and those behind it are", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const second = yield* away(
        client,
        Effect.gen(function* () {
          const first = yield* Effect.fork(client.publish(lobby, 1))
          const second = yield* Effect.fork(client.publish(lobby, 2))
          yield* settle
          yield* Fiber.interrupt(first)
          return second
        })
      )
      assert.strictEqual((yield* Fiber.join(second)).offset, 1)
      assert.deepStrictEqual(yield* logged(), [2])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("has no more unanswered than the server's limits allow, and all come through", () =>
    Effect.gen(function* () {
      yield* makeGateway({ publish: () => Effect.sleep(10) }, { replayMessages: 3, maxSubscriptions: 1 })
      const client = yield* connect()
      const publishing = yield* Effect.forEach(range(1, 50), (n) =>
        Effect.zipLeft(Effect.fork(client.publish(lobby, n)), Effect.yieldNow())
      )
      yield* TestClock.adjust(1000)
      for (const fiber of publishing) assert.isFalse(yield* isRunning(fiber))
      assert.deepStrictEqual(yield* logged(), range(1, 50))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("under a key of one's own publishes once; with another value it is refused", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const [ann, bob] = [yield* connect(), yield* connect()]
      const first = yield* ann.publish(lobby, 1, { key: "k" })
      assert.deepStrictEqual(yield* bob.publish(lobby, 1, { key: "k" }), first)
      const reused = yield* Effect.flip(ann.publish(lobby, 2, { key: "k" }))
      assert.deepInclude(reused, { _tag: "TopicRefused", code: "key-reused" })
      assert.deepStrictEqual(yield* logged(), [1])
    }).pipe(Effect.provide(TopicWorld))
  )

  for (const key of ["", "x".repeat(129)]) {
    it.scoped(`with a key of ${key.length} characters is refused here, and costs no connection`, () =>
      Effect.gen(function* () {
        yield* makeGateway()
        const client = yield* connect()
        const refused = yield* Effect.fork(Effect.flip(client.publish(lobby, 1, { key })))
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Ready")
        assert.deepInclude(yield* Fiber.join(refused), { _tag: "TopicRefused", code: "malformed-key" })
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped(
    "of what is too large for the server is refused, also when it was accepted before the limit was known",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* makeGateway(undefined, {
          maxMessage: 1000,
          topics: [Gateway.topic(Any, { subscribe: Gateway.allow, publish: Gateway.allow })]
        })
        yield* network.reach({ _tag: "Refused" })
        const client = yield* connect()
        const topic = Any.at({ name: "x" })
        const early = yield* Effect.fork(Effect.either(client.publish(topic, "x".repeat(5000))))
        const fits = yield* Effect.fork(client.publish(topic, "x".repeat(997)))
        yield* settle
        yield* network.reach({ _tag: "Open" })
        yield* TestClock.adjust(5000)
        assert.strictEqual((yield* client.status)._tag, "Ready")
        const fate = yield* Fiber.join(early)
        assert.deepInclude(fate._tag === "Left" ? fate.left : {}, { code: "too-large" })
        assert.strictEqual((yield* Fiber.join(fits)).offset, 1)
        assert.strictEqual((yield* Effect.flip(client.publish(topic, "x".repeat(998))))._tag, "MessageTooLarge")
      }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a value that has no JSON form fails, in both subprotocols alike", () =>
    Effect.gen(function* () {
      yield* makeGateway(undefined, {
        topics: [Gateway.topic(Any, { subscribe: Gateway.allow, publish: Gateway.allow })]
      })
      const cycle: Array<unknown> = []
      cycle.push(cycle)
      for (const codec of ["json", "msgpack"] as const) {
        const client = yield* connect({ codec })
        const topic = Any.at({ name: codec })
        for (const value of [
          undefined,
          Number.NaN,
          2n ** 60n,
          new Uint8Array(3),
          () => 1,
          cycle,
          { a: [Symbol("x")] }
        ]) {
          assert.strictEqual(
            (yield* Effect.flip(client.publish(topic, value)))._tag,
            "MessageInvalid",
            String(typeof value)
          )
        }
        const value = { a: [1, -1.5, 2 ** 40, null, true, "é😀"], b: undefined, big: 5n }
        yield* client.publish(topic, value)
        const got = yield* Stream.runHead(client.subscribe(topic, { since: "oldest" }))
        assert.deepStrictEqual(got._tag === "Some" ? got.value.value : undefined, {
          a: [1, -1.5, 2 ** 40, null, true, "é😀"],
          big: 5
        })
      }
    }).pipe(Effect.provide(TopicWorld))
  )
})

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

describe("A gateway", () => {
  it.scoped("publishes whatever its rule says of clients, and tells positions; keys make it once", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ publish: () => denied("the server alone") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      const first = yield* gateway.publish(lobby, 1)
      const second = yield* gateway.publish(lobby, 2, { key: "k" })
      assert.deepStrictEqual(yield* gateway.publish(lobby, 2, { key: "k" }), second)
      assert.strictEqual((yield* Effect.flip(gateway.publish(lobby, 3, { key: "k" })))._tag, "KeyReused")
      assert.deepStrictEqual(second, { ...first, offset: 2 })
      yield* settle
      assert.deepStrictEqual(
        following.seen.map(({ position, value }) => [position, value]),
        [
          [first, 1],
          [second, 2]
        ]
      )
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("refuses to publish where no rule is, what the Schema does not take, and what is too large", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway(undefined, {
        maxMessage: 10,
        topics: [rooms(), Gateway.topic(Any, { subscribe: Gateway.allow })]
      })
      const fault = (effect: Effect.Effect<unknown, { readonly _tag: string }>) =>
        Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
      assert.strictEqual(yield* fault(gateway.publish({ ...lobby, name: "elsewhere" }, 1)), "TopicRefused")
      assert.strictEqual(yield* fault(gateway.publish({ ...lobby, name: "rooms/lobby#presence" }, 1)), "TopicRefused")
      assert.strictEqual(yield* fault(gateway.publish(room(""), 1)), "TopicRefused")
      assert.strictEqual(yield* fault(gateway.publish(lobby, Number.NaN)), "MessageInvalid")
      yield* gateway.publish(Any.at({ name: "x" }), "8 bytes.")
      assert.strictEqual(yield* fault(gateway.publish(Any.at({ name: "x" }), "9 bytes..")), "MessageTooLarge")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("shows a topic's history, complete or refused", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ history: { messages: 3 } })
      const positions = yield* Effect.forEach(range(1, 5), (n) => gateway.publish(lobby, n))
      const [first, second] = positions
      const { end, publications } = yield* gateway.history(lobby)
      assert.deepStrictEqual(end, positions[4])
      assert.deepStrictEqual(publications, [
        { position: positions[2] ?? assert.fail(), at: 0, value: 3 },
        { position: positions[3] ?? assert.fail(), at: 0, value: 4 },
        { position: positions[4] ?? assert.fail(), at: 0, value: 5 }
      ])
      const after = yield* gateway.history(lobby, { since: second, limit: 1 })
      assert.deepStrictEqual(
        after.publications.map(({ value }) => value),
        [3]
      )
      const lost = yield* Effect.flip(gateway.history(lobby, { since: first }))
      assert.deepInclude(lost, { _tag: "PositionLost", reason: "expired", since: first, position: end })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("whose broker remembers keys for a month has clients all the same", () =>
    Effect.gen(function* () {
      const inner = yield* Broker.makeMemory({ keyWindow: 31 * 24 * 3_600_000 + 0.5 })
      yield* makeGateway().pipe(Effect.provideService(Broker.Broker, inner))
      const client = yield* connect()
      assert.strictEqual((yield* client.publish(lobby, 1)).offset, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("without topics refuses them, and keeps its sessions", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      })
      const client = yield* makeClient()
      yield* client.ready
      const following = yield* follow(client.subscribe(lobby))
      assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "unknown-topic" })
      const publishing = yield* Effect.fork(Effect.flip(client.publish(lobby, 1)))
      yield* settle
      assert.deepInclude(yield* Fiber.join(publishing), { _tag: "TopicRefused", code: "unknown-topic" })
      assert.strictEqual((yield* Effect.flip(gateway.publish(lobby, 1)))._tag, "TopicRefused")
      assert.strictEqual((yield* client.status)._tag, "Ready")
    }).pipe(Effect.provide(World))
  )

  it.scoped("frames a publication once for all subscribers of a subprotocol, and gives all of them it", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const clients = yield* Effect.forEach(range(1, 20), (n) => connect({ codec: n % 2 === 0 ? "json" : "msgpack" }))
      const all = yield* Effect.forEach(clients, (client) => follow(client.subscribe(lobby)))
      yield* fill(1, 10)
      yield* settle
      for (const following of all) assert.deepStrictEqual(values(following), range(1, 10))
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("With a broker that takes its time,", () => {
  const spied = () => {
    const spy = new Spy()
    return { spy, world: Layer.provideMerge(broker({ there: 20, back: 20 }, spy), World) }
  }

  for (const [when, at] of [
    ["opens", 10],
    ["is joined", 50],
    ["is read", 90],
    ["is followed", 500]
  ] as const) {
    for (const how of ["ended by the server", "closed by the client", "lost and expired"] as const) {
      const { spy, world } = spied()
      it.scoped(`a session ${how} while its topic ${when} leaves no listener and no member behind`, () =>
        Effect.gen(function* () {
          const network = yield* Network
          const gateway = yield* makeGateway({ presence: true }, { resumeWindow: "1 second" })
          const client = yield* connect()
          yield* follow(client.subscribe(lobby))
          yield* TestClock.adjust(at)
          assert.strictEqual(spy.listening, 1)
          if (how === "ended by the server") yield* (yield* only(gateway)).end("over")
          if (how === "closed by the client") yield* Effect.fork(client.close)
          if (how === "lost and expired") {
            yield* network.reach({ _tag: "Refused" })
            yield* network.cut
          }
          yield* TestClock.adjust(10_000)
          assert.strictEqual(spy.listening, 0)
          const elsewhere = yield* Elsewhere
          assert.deepStrictEqual((yield* elsewhere.members(lobby.name, `${lobby.name}#presence`)).members, [])
          assert.strictEqual((yield* gateway.stats).sessions, 0)
        }).pipe(Effect.provide(world))
      )
    }

    const { spy, world } = spied()
    it.scoped(
      `a connection cut while its topic ${when} costs nothing: it is recovered on the next, followed once`,
      () =>
        Effect.gen(function* () {
          yield* makeGateway({ presence: true })
          const client = yield* connect()
          const following = yield* follow(client.subscribe(lobby, { since: "oldest" }))
          yield* TestClock.adjust(at)
          yield* away(client, fill(1, 3))
          yield* fill(4, 5)
          yield* TestClock.adjust(1000)
          assert.deepStrictEqual(values(following), range(1, 5))
          assert.strictEqual(spy.listening, 1)
          yield* following.stop
          yield* TestClock.adjust(1000)
          assert.strictEqual(spy.listening, 0)
        }).pipe(Effect.provide(world))
    )

    it.scoped(`session.unsubscribe while the topic ${when} holds: nothing comes, and nobody is subscribed`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ presence: true })
        const client = yield* connect()
        const following = yield* follow(client.subscribe(lobby))
        yield* TestClock.adjust(at)
        yield* (yield* only(gateway)).unsubscribe(lobby, "no").pipe(Effect.fork)
        yield* TestClock.adjust(1000)
        yield* fill(1, 1)
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(values(following), [])
        assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "unsubscribed", reason: "no" })
        assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
        const elsewhere = yield* Elsewhere
        assert.deepStrictEqual((yield* elsewhere.members(lobby.name, `${lobby.name}#presence`)).members, [])
      }).pipe(Effect.provide(spied().world))
    )

    it.scoped(`a stream given up while its topic ${when} is given up by the server, and may be taken again`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ presence: true })
        const client = yield* connect()
        const first = yield* follow(client.subscribe(lobby))
        yield* TestClock.adjust(at)
        yield* first.stop
        yield* TestClock.adjust(1)
        const second = yield* follow(client.subscribe(lobby))
        yield* TestClock.adjust(1000)
        yield* fill(1, 2)
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(values(second), [1, 2])
        yield* second.stop
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
      }).pipe(Effect.provide(spied().world))
    )
  }

  it.scoped("the rule's refusal of a subscription that the server revokes meanwhile is one refusal", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ subscribe: () => Effect.sleep("1 second") })
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby))
      yield* TestClock.adjust(500)
      yield* (yield* only(gateway)).unsubscribe(lobby, "no")
      yield* TestClock.adjust(5000)
      assert.deepInclude(following.end(), { _tag: "TopicRefused", code: "unsubscribed", reason: "no" })
      assert.deepStrictEqual(yield* subscriptions(gateway), [[]])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("an Overflow is told to the client that returns at once: the store does not wait for the broker", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway({ presence: true }, { replayMessages: 1 })
      const client = yield* connect()
      yield* follow(client.subscribe(lobby))
      yield* TestClock.adjust(1000)
      const session = yield* only(gateway)
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut
      yield* settle
      yield* session.offer("fits")
      yield* Effect.ignore(session.offer("does not fit"))
      yield* network.reach({ _tag: "Open" })
      yield* client.reconnect
      yield* settle
      const status = yield* client.status
      assert.deepInclude(status._tag === "Ready" ? status.start : status, { _tag: "Reset", reason: "overflow" })
    }).pipe(Effect.provide(spied().world))
  )

  it.scoped("a broker that is away for a while delays answers, and loses nothing", () =>
    Effect.gen(function* () {
      const inner = yield* Broker.makeMemory()
      let isAway = true
      const flaky = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.suspend(
          (): Effect.Effect<A, E | ConnectionError.BrokerUnavailable, R> =>
            isAway ? Effect.fail(new ConnectionError.BrokerUnavailable({ cause: "away" })) : effect
        )
      const service: Broker.Broker["Type"] = {
        ...delayed(inner, { there: 0, back: 0 }),
        publish: (...args) => flaky(inner.publish(...args)),
        subscribe: (...args) => flaky(inner.subscribe(...args)),
        history: (...args) => flaky(inner.history(...args)),
        join: (...args) => flaky(inner.join(...args)),
        leave: (...args) => flaky(inner.leave(...args))
      }
      yield* makeGateway({ presence: true }).pipe(Effect.provideService(Broker.Broker, service))
      const client = yield* connect()
      const following = yield* follow(client.subscribe(lobby, { since: "oldest" }))
      const publishing = yield* Effect.fork(client.publish(lobby, 1))
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(yield* isRunning(publishing))
      isAway = false
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(publishing)).offset, 1)
      assert.deepStrictEqual(values(following), [1])
      isAway = true
      yield* away(client, inner.publish(lobby.name, "2"))
      isAway = false
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(values(following), [1, 2])
    }).pipe(Effect.provide(World))
  )
})

describe("A log that cannot be followed", () => {
  /** A broker whose listeners can be told that they have lost the log. */
  const fragile = Effect.map(Broker.makeMemory(), (inner) => {
    const listeners = new Set<Broker.Listener>()
    const service: Broker.Broker["Type"] = {
      ...inner,
      subscribe: (topic, listener) =>
        Effect.tap(inner.subscribe(topic, listener), () =>
          Effect.acquireRelease(
            Effect.sync(() => listeners.add(listener)),
            () => Effect.sync(() => listeners.delete(listener))
          )
        )
    }
    return {
      service,
      reset: (...args: Parameters<Broker.Listener["reset"]>) => listeners.forEach((heard) => void heard.reset(...args))
    }
  })

  for (const policy of ["disconnect", "dropOldest", "latest"] as const) {
    it.scoped(
      `${policy === "disconnect" ? "fails the stream with PositionLost" : "goes on where it is"} (${policy})`,
      () =>
        Effect.gen(function* () {
          const { reset, service } = yield* fragile
          yield* makeGateway({ policy }).pipe(Effect.provideService(Broker.Broker, service))
          const client = yield* connect()
          const following = yield* follow(client.subscribe(lobby))
          const { epoch } = yield* service.publish(lobby.name, "1")
          yield* settle
          reset({ epoch, offset: 5 }, "expired")
          yield* settle
          assert.deepStrictEqual(values(following), [1])
          if (policy === "disconnect") {
            assert.deepInclude(following.end(), {
              _tag: "PositionLost",
              reason: "expired",
              since: { epoch, offset: 1 },
              position: { epoch, offset: 5 }
            })
          } else assert.isUndefined(following.end())
          assert.strictEqual((yield* client.status)._tag, "Ready")
        }).pipe(Effect.provide(World))
    )
  }
})
