/** A gateway that ends while the store is being asked leaves nothing in it that is nobody's. Found by the simulation, seed 1374. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope, TestClock } from "effect"
import { Gateway, Messages, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { isRunning, makeClient, settle } from "../support/virtual.js"

type Store = SessionStore.SessionStore["Type"]

const options = {
  messages: Messages.json,
  authenticate: Gateway.anonymous,
  onMessage: () => Effect.void,
  drainSpread: 0,
  drainTimeout: "1 second"
} as const

/** A store that does at once what it is asked, and whose answers to one operation take 4 seconds. */
const late = (store: Store, operation: "create" | "attach"): Store => ({
  ...store,
  [operation]: (request: never) => Effect.zipLeft(store[operation](request), Effect.sleep("4 seconds"))
})

/** A gateway that can be closed before the test ends. */
const gatewayOn = (store: Store) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Gateway.make(options).pipe(Effect.provideService(SessionStore.SessionStore, store), Scope.extend(scope))
    return Scope.close(scope, Exit.void)
  })

/** Nothing is left once every window is over. */
const assertEmpty = (store: Store) =>
  Effect.gen(function* () {
    yield* TestClock.adjust("5 minutes")
    yield* store.expire
    assert.strictEqual(yield* store.size, 0)
  })

describe("A gateway that ends while the store", () => {
  it.scoped("creates a session removes it", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const close = yield* gatewayOn(late(store, "create"))
      yield* makeClient()
      yield* settle
      assert.strictEqual(yield* store.size, 1)

      const closing = yield* Effect.fork(close)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* store.size, 1)
      yield* TestClock.adjust("2 seconds")
      yield* closing
      assert.strictEqual(yield* store.size, 0)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("attaches a session lets it expire", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const closeFirst = yield* gatewayOn(store)
      const client = yield* makeClient()
      yield* client.ready
      const closing = yield* Effect.fork(closeFirst)
      yield* TestClock.adjust("2 seconds")
      yield* closing

      const closeSecond = yield* gatewayOn(late(store, "attach"))
      yield* client.reconnect
      yield* settle
      const closingAgain = yield* Effect.fork(closeSecond)
      yield* TestClock.adjust("5 seconds")
      yield* closingAgain
      yield* assertEmpty(store)
    }).pipe(Effect.provide(Layer.fresh(MemoryNetwork.layer())))
  )

  it.scoped("never answers ends within drainTimeout and closeTimeout", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const close = yield* gatewayOn({ ...store, create: () => Effect.never })
      yield* makeClient()
      yield* settle
      const closing = yield* Effect.fork(close)
      yield* TestClock.adjust("6 seconds")
      yield* settle
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})
