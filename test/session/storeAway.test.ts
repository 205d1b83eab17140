/** Handlers go on while the session store is away, up to the client's window; nothing is acknowledged of which it has no note. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { ConnectionError, Gateway, Messages, type Options, SessionStore } from "holdfast"
import { dial, join } from "../support/peer.js"
import { isRunning, makeClient, settle, World } from "../support/virtual.js"

/** Closes a scope while the clock goes on, which a store that is away is waited for by. */
const ended = (scope: Scope.CloseableScope) =>
  Effect.gen(function* () {
    const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
    yield* TestClock.adjust(30_000)
    assert.isFalse(yield* isRunning(closing))
  })

/** A store whose notes of what was processed fail, or are not answered, while it is away. */
const awayStore = (away: Effect.Effect<never, ConnectionError.StoreUnavailable>) =>
  Effect.gen(function* () {
    const memory = yield* SessionStore.makeMemory()
    let isAway = false
    const asked: Array<number> = []
    const store = {
      ...memory,
      acknowledge: (...args: Parameters<typeof memory.acknowledge>) =>
        Effect.suspend(() => {
          asked.push(args[2].processed)
          return isAway ? away : memory.acknowledge(...args)
        })
    }
    const be = (state: boolean) =>
      Effect.sync(() => {
        isAway = state
      })
    return { store, asked, be }
  })

const gatewayOn = (store: typeof SessionStore.SessionStore.Service, options?: Options.All) =>
  Effect.gen(function* () {
    const handled: Array<unknown> = []
    const ends: Array<string> = []
    const gateway = yield* Gateway.make({
      ...options,
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message) => Effect.sync(() => void handled.push(message)),
      onClose: (_, { _tag }) => Effect.sync(() => void ends.push(_tag))
    }).pipe(Effect.provideService(SessionStore.SessionStore, store))
    return { gateway, handled, ends }
  })

const states = {
  fails: new ConnectionError.StoreUnavailable({ cause: new Error("away") }),
  "does not answer": Effect.async<never>(() => {})
} as const

describe("While the store", () => {
  for (const [what, away] of Object.entries(states)) {
    it.scoped(`${what}, messages that arrive are handled, each once, and none is acknowledged`, () =>
      Effect.gen(function* () {
        const { be, store } = yield* awayStore(away)
        const scope = yield* Scope.make()
        const { handled } = yield* gatewayOn(store).pipe(Scope.extend(scope))
        const { peer } = yield* join()
        yield* be(true)
        for (let seq = 1; seq <= 20; seq++) {
          yield* peer.say({ type: "data", seq, ack: 0, body: seq, ...(seq % 2 === 0 ? { confirm: true } : {}) })
          yield* TestClock.adjust(100)
        }
        assert.deepStrictEqual(
          handled,
          Array.from({ length: 20 }, (_, i) => i + 1)
        )
        assert.deepStrictEqual(peer.said("ack"), [])
        yield* ended(scope)
      }).pipe(Effect.provide(World))
    )

    it.scoped(`${what}, a client's window bounds what is handled`, () =>
      Effect.gen(function* () {
        const { be, store } = yield* awayStore(away)
        const scope = yield* Scope.make()
        const { handled } = yield* gatewayOn(store, { replayMessages: 10 }).pipe(Scope.extend(scope))
        const client = yield* makeClient()
        yield* client.ready
        yield* be(true)
        yield* Effect.forkScoped(
          Effect.forEach(
            Array.from({ length: 30 }, (_, i) => i),
            client.send,
            { discard: true }
          )
        )
        yield* TestClock.adjust(20_000)
        assert.lengthOf(handled, 10)
        yield* ended(scope)
      }).pipe(Effect.provide(World))
    )

    it.scoped(`${what}, a session ends as its gateway does, in a bounded time`, () =>
      Effect.gen(function* () {
        const { be, store } = yield* awayStore(away)
        const scope = yield* Scope.make()
        const { ends } = yield* gatewayOn(store).pipe(Scope.extend(scope))
        const { peer } = yield* join()
        yield* be(true)
        yield* peer.say({ type: "data", seq: 1, ack: 0, body: 1 })
        yield* ended(scope)
        assert.deepStrictEqual(ends, ["Shutdown"])
      }).pipe(Effect.provide(World))
    )
  }
})

describe("When the store is back", () => {
  it.scoped("all that was handled is noted at once, then acknowledged, and nothing is handled again", () =>
    Effect.gen(function* () {
      const { asked, be, store } = yield* awayStore(states.fails)
      const { handled } = yield* gatewayOn(store)
      const client = yield* makeClient()
      yield* client.ready
      yield* be(true)
      const deliveries = yield* Effect.forkScoped(
        Effect.forEach([1, 2, 3], client.deliver, { concurrency: "unbounded", discard: true })
      )
      yield* TestClock.adjust(7000)
      assert.deepStrictEqual(handled, [1, 2, 3])
      assert.isTrue(yield* isRunning(deliveries))
      yield* be(false)
      yield* TestClock.adjust(5000)
      yield* Fiber.join(deliveries)
      assert.strictEqual(asked.at(-1), 3)
      assert.deepStrictEqual(handled, [1, 2, 3])
      assert.deepInclude(yield* client.stats, { acknowledged: 3 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("a session whose client has said bye ends after its note", () =>
    Effect.gen(function* () {
      const { be, store } = yield* awayStore(states.fails)
      const { ends, handled } = yield* gatewayOn(store)
      const { peer } = yield* join()
      yield* be(true)
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: 1 })
      yield* peer.say({ type: "bye" })
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(handled, [1])
      assert.isUndefined(peer.closed())
      yield* be(false)
      yield* TestClock.adjust(5000)
      assert.deepInclude(peer.closed() ?? {}, { code: 1000 })
      assert.deepStrictEqual(peer.said("ack"), [{ type: "ack", ack: 1 }])
      assert.deepStrictEqual(ends, ["Bye"])
    }).pipe(Effect.provide(World))
  )
})

describe("A gateway's readiness", () => {
  it.scoped("is told in a bounded time, whatever its store does", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const gate = yield* Deferred.make<void>()
      const store = { ...memory, ready: Effect.uninterruptible(Deferred.await(gate)) }
      const { gateway } = yield* gatewayOn(store, { connectTimeout: 3000 })
      const asked = yield* Effect.fork(Effect.flip(gateway.ready))
      yield* TestClock.adjust(2999)
      assert.isTrue(yield* isRunning(asked))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(asked)).reason, "the session store has not answered within 3000 ms")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
    }).pipe(Effect.provide(World))
  )
})

type Asked = (...args: never) => Effect.Effect<unknown, unknown>

describe("A store that dies when it is asked for a session", () => {
  for (const operation of ["create", "attach"] as const) {
    it.scoped(`costs the hello its connection (1011), and nothing else (${operation})`, () =>
      Effect.gen(function* () {
        const memory = yield* SessionStore.makeMemory()
        let dies = false
        // One that answers later, as a store elsewhere does.
        const asked =
          (name: "create" | "attach") =>
          (...args: never) =>
            Effect.suspend(() =>
              dies && name === operation ? Effect.die("a fault of the store") : (memory[name] as Asked)(...args)
            )
        const store = { ...memory, create: asked("create"), attach: asked("attach") } as typeof memory
        const { gateway } = yield* gatewayOn(store)
        const { peer, welcome } = yield* join()
        yield* peer.leave
        const again = { resume: { session: welcome["session"], secret: welcome["secret"], processed: 0, oldest: 1 } }
        dies = true
        const late = yield* dial
        yield* late.say({ type: "hello", ...(operation === "attach" ? again : {}) })
        assert.deepInclude(late.closed() ?? {}, { code: 1011 })
        assert.deepInclude(yield* gateway.stats, { connections: 0, sessions: 1 })
        dies = false
        assert.deepInclude((yield* join(again)).welcome, { resumed: true })
      }).pipe(Effect.provide(World))
    )
  }
})
