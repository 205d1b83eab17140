import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Supervisor, TestClock } from "effect"
import { Gateway, Messages, type Session } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { Farewells } from "../../src/gateway/session/farewells.js"
import { HandlerFiber } from "../../src/gateway/session/handlerFiber.js"
import { MicrotaskQueue } from "../../src/gateway/session/microtaskQueue.js"
import { isRunning, makeClient, settle, World, withRandom } from "../support/virtual.js"

/** A gateway, and a client that has been Ready for a while. */
const opened = (
  options: {
    readonly onMessage?: (
      message: unknown,
      session: Session.Session<unknown>
    ) => Effect.Effect<void, Gateway.SendFailure>
  } = {}
) =>
  Effect.gen(function* () {
    const handled: Array<unknown> = []
    const closed: Array<string> = []
    yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message) => Effect.sync(() => void handled.push(message)),
      onClose: (_, end) => Effect.sync(() => void closed.push(end._tag)),
      ...options
    })
    yield* settle
    const client = yield* makeClient()
    yield* client.ready
    yield* TestClock.adjust("10 seconds")
    return { client, handled, closed }
  })

describe("A session's fiber", () => {
  it.scoped("is there while a handler waits for something, and no longer", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      yield* Effect.gen(function* () {
        const handled: Array<unknown> = []
        const { client } = yield* opened({
          onMessage: (message) =>
            Effect.delay(
              Effect.sync(() => void handled.push(message)),
              "1 second"
            )
        })
        const idle = yield* supervisor.value
        yield* client.send(1)
        yield* client.send(2)
        yield* settle
        assert.isAbove((yield* supervisor.value).length, idle.length)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(handled, [1, 2])
        // Those of delayed acknowledgements, one of each end.
        assert.isAtMost((yield* supervisor.value).length, idle.length + 2)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* supervisor.value).length, idle.length)
      }).pipe(Effect.supervised(supervisor))
      // No ping falls into it: a client watches for its answer in a fiber.
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("is not there for what a handler does at once, however it is written", () =>
    Effect.gen(function* () {
      for (const onMessage of [
        (message: unknown, session: Session.Session<unknown>) => session.send(message),
        (message: unknown, session: Session.Session<unknown>) =>
          Effect.gen(function* () {
            yield* Effect.void
            yield* session.send(message)
          })
      ]) {
        const supervisor = yield* Supervisor.track
        yield* Effect.gen(function* () {
          const { client } = yield* opened({ onMessage })
          const echoed: Array<unknown> = []
          yield* Effect.forkScoped(client.runForEach((message) => Effect.sync(() => void echoed.push(message))))
          yield* TestClock.adjust("10 seconds")
          const idle = yield* supervisor.value
          for (let n = 1; n <= 3; n++) yield* client.send(n)
          yield* settle
          assert.deepStrictEqual(echoed, [1, 2, 3])
          // Those of delayed acknowledgements, one of each end.
          assert.isAtMost((yield* supervisor.value).length, idle.length + 2)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual((yield* client.stats).unacknowledged, { messages: 0, bytes: 0 })
        }).pipe(Effect.supervised(supervisor), Effect.scoped, Effect.provide(World))
      }
    })
  )

  it.scoped("leaves what has come when a handler has ended the session at once, and says farewell", () =>
    Effect.gen(function* () {
      const handled: Array<unknown> = []
      const { client, closed } = yield* opened({
        onMessage: (message, session) => {
          handled.push(message)
          if (message === 2) Effect.runSync(session.end("enough"))
          return Effect.void
        }
      })
      for (let n = 1; n <= 4; n++) yield* client.send(n)
      yield* settle
      assert.deepStrictEqual(handled, [1, 2])
      assert.deepStrictEqual(closed, ["Ended"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("runs what fails, and what throws, to the end of the session", () =>
    Effect.gen(function* () {
      for (const onMessage of [
        () => Effect.die("a defect"),
        (): Effect.Effect<void> => {
          throw new Error("thrown")
        }
      ]) {
        yield* Effect.gen(function* () {
          const { client, closed } = yield* opened({ onMessage })
          yield* client.send(1)
          yield* settle
          assert.deepStrictEqual(closed, ["HandlerFailed"])
        }).pipe(Effect.scoped, Effect.provide(World))
      }
    })
  )

  it.scoped("says farewell once: of an idle session, of one that waits for more, and of one that works", () =>
    Effect.gen(function* () {
      for (const [prepare, stuck] of [
        [() => Effect.void, false],
        [(client: { readonly send: (message: number) => Effect.Effect<void, unknown> }) => client.send(1), false],
        [(client: { readonly send: (message: number) => Effect.Effect<void, unknown> }) => client.send(1), true]
      ] as const) {
        yield* Effect.gen(function* () {
          const { client, closed } = yield* opened(stuck ? { onMessage: () => Effect.never } : {})
          yield* prepare(client)
          yield* settle
          yield* (yield* MemoryNetwork.MemoryNetwork).crash("client")
          yield* TestClock.adjust("3 minutes")
          assert.deepStrictEqual(closed, ["Expired"])
        }).pipe(Effect.scoped, Effect.provide(World))
      }
    })
  )

  it.scoped("does in order what comes while a handler waits", () =>
    Effect.gen(function* () {
      const handled: Array<unknown> = []
      const { client } = yield* opened({
        onMessage: (message) =>
          Effect.delay(
            Effect.sync(() => void handled.push(message)),
            "1 second"
          )
      })
      const sent: Array<number> = []
      for (let n = 1; n <= 40; n++) {
        sent.push(n)
        yield* client.send(n)
        // Around the moments at which a handler is done.
        yield* TestClock.adjust(n % 2 === 0 ? 1999 : 1)
      }
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(handled, sent)
    }).pipe(Effect.provide(World))
  )
})

describe("A session's fiber", () => {
  it.live("does what comes while it waits", () =>
    Effect.gen(function* () {
      const todo: Array<string> = []
      const done: Array<string> = []
      const services = {
        fork: Effect.runFork,
        forkLast: Effect.runFork,
        microtasks: new MicrotaskQueue(),
        farewells: new Farewells()
      }
      const fiber = new HandlerFiber(services, {
        ended: false,
        advance: () => {
          const next = todo.shift()
          return next === undefined
            ? undefined
            : Effect.delay(
                Effect.sync(() => void done.push(next)),
                1
              )
        },
        failed: () => undefined,
        farewell: Effect.void
      })
      const come = (what: string) => {
        todo.push(what)
        fiber.wake()
      }
      fiber.startIdle()
      come("first")
      yield* Effect.promise(() => Promise.resolve())
      come("second")
      yield* fiber.rested
      assert.deepStrictEqual(done, ["first", "second"])
    })
  )
})

describe("A gateway that drains", () => {
  it.scoped("goes on pinging its clients, and finds those that are dead", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const scope = yield* Scope.make()
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.sleep("5 minutes"),
        drainTimeout: "10 minutes"
      }).pipe(Scope.extend(scope))
      yield* settle
      const client = yield* makeClient()
      yield* client.ready
      yield* client.send(1)
      yield* settle
      const link = yield* network.latest
      const before = link.pings("server")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("3 minutes")
      assert.isAtLeast(link.pings("server") - before, 5)
      link.silence()
      yield* TestClock.adjust("90 seconds")
      assert.isTrue(yield* isRunning(closing), "the handler is at it still")
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(World))
  )
})
