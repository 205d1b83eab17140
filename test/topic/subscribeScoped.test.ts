/** A subscription as a value of a scope: done when it is live. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { ConnectionError } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { connect, follow, lobby, makeGateway, subscriptions, TopicWorld, values } from "../support/topics.js"
import { isRunning, settle } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

/** Lets time stand still meanwhile: nothing has to pass. */
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.fork(effect), (fiber) => Effect.zipRight(settle, Fiber.join(fiber)))

describe("A scoped subscription", () => {
  it.scoped("is done when the server has subscribed the client, and misses nothing from then on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      yield* gateway.publish(lobby, 1)
      const client = yield* connect()
      const { position, publications } = yield* soon(client.subscribeScoped(lobby))
      assert.strictEqual(position.offset, 1)
      yield* gateway.publish(lobby, 2)
      const following = yield* follow(publications)
      yield* settle
      assert.deepStrictEqual(values(following), [2])
      yield* (yield* Network).cut()
      yield* gateway.publish(lobby, 3)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(values(following), [2, 3])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("begins where it is told to", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const first = yield* gateway.publish(lobby, 1)
      yield* gateway.publish(lobby, 2)
      const client = yield* connect()
      const { position, publications } = yield* soon(client.subscribeScoped(lobby, { since: first }))
      assert.deepStrictEqual(position, first)
      const following = yield* follow(publications)
      yield* settle
      assert.deepStrictEqual(values(following), [2])
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("waits for a server that is away", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* makeGateway()
      const client = yield* connect()
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      const subscribing = yield* Effect.fork(client.subscribeScoped(lobby))
      yield* TestClock.adjust(1000)
      assert.isTrue(yield* isRunning(subscribing))
      yield* gateway.publish(lobby, 1)
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(2000)
      assert.strictEqual((yield* Fiber.join(subscribing)).position.offset, 1)
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("is over with its scope", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const client = yield* connect()
      const scope = yield* Scope.make()
      yield* soon(Scope.extend(client.subscribeScoped(lobby), scope))
      assert.strictEqual((yield* subscriptions(gateway)).flat().length, 1)
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.strictEqual((yield* subscriptions(gateway)).flat().length, 0)
      yield* soon(client.subscribeScoped(lobby))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that is refused lets another ask at once", () =>
    Effect.gen(function* () {
      let isOpen = false
      yield* makeGateway({
        subscribe: () => (isOpen ? Effect.void : new ConnectionError.NotAllowed({ reason: "closed" }))
      })
      const client = yield* connect()
      assert.deepInclude(yield* soon(Effect.flip(client.subscribeScoped(lobby))), {
        _tag: "TopicRefused",
        reason: "closed"
      })
      isOpen = true
      yield* soon(client.subscribeScoped(lobby))
      const second = yield* soon(Effect.flip(client.subscribeScoped(lobby)))
      assert.deepInclude(second, { _tag: "TopicRefused", code: "already-subscribed" })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that is given up while it waits is not left behind", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const gateway = yield* makeGateway({ subscribe: () => Deferred.await(go) })
      const client = yield* connect()
      const subscribing = yield* Effect.fork(client.subscribeScoped(lobby))
      yield* settle
      yield* Fiber.interrupt(subscribing)
      yield* Deferred.succeed(go, undefined)
      yield* settle
      assert.strictEqual((yield* subscriptions(gateway)).flat().length, 0)
      yield* soon(client.subscribeScoped(lobby))
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("from a position that is lost fails with it", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const client = yield* connect()
      const error = yield* soon(Effect.flip(client.subscribeScoped(lobby, { since: { epoch: "another", offset: 3 } })))
      assert.deepInclude(error, { _tag: "PositionLost", reason: "epoch" })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("of a client that ends fails, before it is live and after", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      yield* makeGateway({ subscribe: () => Deferred.await(go) })
      const client = yield* connect()
      const subscribing = yield* Effect.fork(Effect.flip(client.subscribeScoped(lobby)))
      yield* settle
      const closing = yield* Effect.fork(client.close)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* Fiber.join(subscribing), { _tag: "SessionClosed" })
      assert.deepInclude(yield* soon(Effect.flip(client.subscribeScoped(lobby))), { _tag: "SessionClosed" })
      // The gateway's end would wait for it.
      yield* Deferred.succeed(go, undefined)
    }).pipe(Effect.provide(TopicWorld))
  )
})
