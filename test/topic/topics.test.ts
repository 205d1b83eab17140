import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { Broker, Client, Codec, ConnectionError, Gateway, Messages, type Protocol } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import {
  Any,
  away,
  broker,
  connect,
  Elsewhere,
  fill,
  follow,
  lobby,
  makeGateway,
  Room,
  range,
  rooms,
  subscriptions,
  TopicWorld,
  values
} from "../support/topics.js"
import { collect, makeClient, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const small: Broker.Retention = { messages: 5, bytes: 1_000_000, age: 60_000 }
const room = (name: string) => Room.at({ room: name })
const denied = (reason: string) => Effect.fail(new ConnectionError.NotAllowed({ reason }))

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
        const two: Stream.Stream<Client.Publication<number>, unknown> = client
          .subscribe(lobby, { since })
          .pipe(Stream.filter(Client.hasValue), Stream.take(2))
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
        // More than a server takes at once; a hundred at a time, as each wait until nothing moves takes real time.
        Effect.forEach(range(0, 14), (hundred) =>
          Effect.gen(function* () {
            const taken = yield* Effect.forEach(range(1, 100), (n) =>
              Effect.forkScoped(Stream.runDrain(client.subscribe(room(String(100 * hundred + n)))))
            )
            yield* settle
            yield* Effect.forEach(taken, (fiber) => fiber.interruptAsFork(fiber.id()))
            yield* settle
          })
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
      const clients = yield* Effect.forEach(range(1, 20), (n) =>
        connect({ codec: n % 2 === 0 ? Codec.json : Codec.msgpack })
      )
      const all = yield* Effect.forEach(clients, (client) => follow(client.subscribe(lobby)))
      yield* fill(1, 10)
      yield* settle
      for (const following of all) assert.deepStrictEqual(values(following), range(1, 10))
    }).pipe(Effect.provide(TopicWorld))
  )
})
