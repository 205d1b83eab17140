import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { Broker, ConnectionError } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import {
  away,
  broker,
  connect,
  delayed,
  Elsewhere,
  fill,
  follow,
  lobby,
  makeGateway,
  only,
  range,
  Spy,
  subscriptions,
  TopicWorld,
  values
} from "../support/topics.js"
import { isRunning, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

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
            yield* network.cut()
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
      yield* network.cut()
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
