/** What happens when things happen at the wrong moment. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, type Duration, Effect, Exit, Fiber, Scope, Stream, Supervisor, TestClock } from "effect"
import { ConnectionError, Dialer, Gateway, Messages, Outcome, Reconnect, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, echoGateway, isRunning, makeClient, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const oneSecond = Reconnect.exponential({ jitter: false })
type Store = SessionStore.SessionStore["Type"]

const options = { messages: Messages.json, authenticate: Gateway.anonymous, onMessage: () => Effect.void }

/** A store whose answers take their time; what it does is done at once. */
const slow = (store: Store, answerAfter: (operation: string) => Duration.DurationInput): Store => {
  const late = <A, E>(operation: string, effect: Effect.Effect<A, E>) =>
    Effect.zipLeft(
      effect,
      Effect.suspend(() => Effect.sleep(answerAfter(operation)))
    )
  return {
    ...store,
    create: (session) => late("create", store.create(session)),
    attach: (request) => late("attach", store.attach(request)),
    append: (id, generation, messages) => late("append", store.append(id, generation, messages)),
    acknowledge: (id, generation, progress) => late("acknowledge", store.acknowledge(id, generation, progress)),
    remove: (id, generation, tombstone) => late("remove", store.remove(id, generation, tombstone))
  }
}

const withStore = (change: (store: Store) => Store) =>
  Effect.provideServiceEffect(SessionStore.SessionStore, Effect.map(SessionStore.makeMemory(), change))

describe("An application that throws", () => {
  it.scoped("from authorizeUpgrade: 500, and the gateway goes on", () =>
    Effect.gen(function* () {
      let calls = 0
      yield* Gateway.make({
        ...options,
        authorizeUpgrade: () => {
          if (++calls === 1) throw new Error("a defect")
          return Effect.void
        }
      })
      const dialer = yield* Dialer.Dialer
      const request = { url: "memory:", protocols: ["holdfast.v1.json"], maxFrame: 1000, closeTimeout: 1000 }
      assert.deepInclude(yield* Effect.flip(dialer.dial(request)), { _tag: "DialRefused", status: 500 })
      const client = yield* makeClient()
      yield* client.ready
    }).pipe(Effect.provide(World))
  )

  it.scoped("from authenticate: 1011", () =>
    Effect.gen(function* () {
      yield* Gateway.make({
        ...options,
        authenticate: () => {
          throw new Error("a defect")
        }
      })
      const client = yield* makeClient()
      yield* settle
      const status = yield* client.status
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, { _tag: "ClosedByPeer", code: 1011 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("from onClose: the session is over all the same", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway.make({
        ...options,
        onClose: () => {
          throw new Error("a defect")
        }
      })
      const client = yield* makeClient()
      yield* client.ready
      yield* client.close
      yield* settle
      assert.strictEqual((yield* gateway.stats).sessions, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("from its token: a failed attempt, with the reason", () =>
    Effect.gen(function* () {
      const client = yield* makeClient({ token: Effect.die(new Error("no vault")) })
      yield* settle
      const status = yield* client.status
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, { _tag: "TokenUnavailable" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("from its reconnect policy: the client ends, and says so", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" })
      const policy = Reconnect.exponential()
      const client = yield* makeClient({
        reconnect: { ...policy, step: () => Effect.die("a defect") } as typeof policy
      })
      assert.deepInclude(yield* client.ended, { _tag: "Died", defect: "a defect" })
    }).pipe(Effect.provide(World))
  )
})

describe("A client", () => {
  it.scoped("whose close was interrupted is closed, and its scope closes", () =>
    Effect.gen(function* () {
      yield* Gateway.make({ ...options, drainTimeout: 0, onMessage: () => Effect.never })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(makeClient(), scope)
      yield* client.ready
      yield* client.send("for ever")
      const closing = yield* Effect.fork(Effect.timeoutOption(client.close, "100 millis"))
      yield* TestClock.adjust(100)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* client.ended, { _tag: "Closed" })
      const scopeClosing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(yield* isRunning(scopeClosing))
    }).pipe(Effect.provide(World))
  )

  it.scoped("tries again at once for a watcher that asks as soon as it waits", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" })
      const client = yield* makeClient()
      yield* client.changes.pipe(
        Stream.filter((status) => status._tag === "Waiting"),
        Stream.take(3),
        Stream.runForEach(() => client.reconnect),
        Effect.fork
      )
      yield* settle
      assert.strictEqual(yield* network.dials, 4)
    }).pipe(Effect.provide(World))
  )

  it.scoped("that starts afresh is not charged for what it has not read of the lost session", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gateway = yield* Gateway.make({ ...options, maxMessage: 1000, replayBytes: 1000, resumeWindow: "1 second" })
      const client = yield* makeClient({ reconnect: oneSecond })
      const fill = Effect.gen(function* () {
        const [session] = yield* gateway.sessions
        for (let i = 0; i < 2; i++) yield* session?.send("x".repeat(450)) ?? Effect.die("no session")
        yield* settle
      })
      yield* client.ready
      yield* fill
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* TestClock.adjust(1500)
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(5000)
      // The envelopes of a full window are free, which is more than these.
      yield* fill
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.lengthOf(yield* Stream.runCollect(Stream.take(client.messages, 4)), 4)
    }).pipe(Effect.provide(World))
  )

  it.scoped("forks one fiber for the acknowledgements of many messages", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway.make(options)
      const supervisor = yield* Supervisor.track
      const client = yield* makeClient().pipe(Effect.supervised(supervisor))
      yield* client.ready
      const messages = yield* collect(client.messages)
      const [session] = yield* gateway.sessions
      const before = (yield* supervisor.value).length
      for (let i = 0; i < 100; i++) yield* session?.send(i) ?? Effect.void
      yield* settle
      assert.lengthOf(yield* messages, 100)
      assert.isAtMost((yield* supervisor.value).length - before, 1)
    }).pipe(Effect.provide(World))
  )
})

describe("A session", () => {
  it.scoped("that only listens does not grow in the store", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      let acked = 0
      const store: Store = {
        ...memory,
        acknowledge: (id, generation, progress) => {
          acked = progress.acked
          return memory.acknowledge(id, generation, progress)
        }
      }
      const gateway = yield* Effect.provideService(Gateway.make(options), SessionStore.SessionStore, store)
      const client = yield* makeClient()
      yield* client.ready
      const messages = yield* collect(client.messages)
      const [session] = yield* gateway.sessions
      for (let i = 0; i < 100; i++) yield* session?.send(i) ?? Effect.void
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* messages, 100)
      assert.strictEqual(acked, 100)
    }).pipe(Effect.provide(World))
  )

  for (const ending of ["session.end", "a failing handler"] as const) {
    it.scoped(`ended by ${ending} while the store answers its client's return stays ended`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const go = yield* Deferred.make<void>()
        const closed: Array<string> = []
        let handled = 0
        const gateway = yield* Gateway.make({
          ...options,
          onMessage: () =>
            Effect.zipRight(
              Effect.sync(() => void handled++),
              Effect.zipRight(Deferred.await(go), Effect.fail("no"))
            ),
          onFailure: () => Outcome.end("no", { final: true }),
          onClose: (_, end) => Effect.sync(() => void closed.push(end._tag))
        }).pipe(withStore((store) => slow(store, () => 50)))
        const client = yield* makeClient({ reconnect: oneSecond })
        yield* TestClock.adjust(50)
        yield* client.send("work")
        yield* settle
        const [session] = yield* gateway.sessions
        yield* network.cut()
        yield* TestClock.adjust(1020)
        // The store has attached the returning client, and has not answered yet.
        yield* ending === "session.end" ? (session?.end("banned") ?? Effect.void) : Deferred.succeed(go, undefined)
        yield* TestClock.adjust("10 seconds")
        assert.lengthOf(closed, 1)
        assert.strictEqual(handled, 1)
        const end = yield* client.ended
        assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { _tag: "ClosedByPeer", code: 4410 })
        assert.strictEqual((yield* gateway.stats).sessions, 0)
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("whose attempts are answered in the wrong order stays with the latest", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const memory = yield* SessionStore.makeMemory()
      let attaches = 0
      const delays = [4000, 10]
      const store = slow(memory, (operation) => (operation === "attach" ? (delays[attaches++] ?? 0) : 0))
      const first = yield* Scope.make()
      yield* echoGateway({ drainTimeout: 0 }).pipe(
        Effect.provideService(SessionStore.SessionStore, store),
        Scope.extend(first)
      )
      const client = yield* makeClient({ reconnect: oneSecond, helloTimeout: "2 seconds" })
      yield* client.ready
      yield* network.reach({ _tag: "Refused" })
      yield* Scope.close(first, Exit.void)
      // A gateway to which the session is new, with two attempts at once.
      const { handled } = yield* echoGateway().pipe(Effect.provideService(SessionStore.SessionStore, store))
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust("30 seconds")
      yield* client.deliver("hello")
      assert.deepStrictEqual(handled, ["hello"])
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      assert.isAtLeast(attaches, 2)
    }).pipe(Effect.provide(World))
  )

  it.scoped("whose client leaves for good while the store answers its return has its window, and not more", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const memory = yield* SessionStore.makeMemory()
      const store = slow(memory, (operation) => (operation === "attach" ? 1000 : 0))
      const first = yield* Scope.make()
      yield* echoGateway({ drainTimeout: 0 }).pipe(
        Effect.provideService(SessionStore.SessionStore, store),
        Scope.extend(first)
      )
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.ready
      yield* network.reach({ _tag: "Refused" })
      yield* Scope.close(first, Exit.void)
      const { gateway } = yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, store)
      yield* network.reach({ _tag: "Open" })
      yield* client.reconnect
      yield* TestClock.adjust(500)
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* TestClock.adjust(500)
      assert.deepInclude(yield* gateway.stats, { connections: 0, sessions: 1 })
      yield* TestClock.adjust(120_000)
      assert.strictEqual((yield* gateway.stats).sessions, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* gateway.stats).sessions, 0)
      assert.strictEqual(yield* memory.size, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("that is offered too large a message refuses it, and lives", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway({ maxMessage: 100, replayBytes: 50 })
      const client = yield* makeClient()
      yield* client.ready
      const [session] = yield* gateway.sessions
      yield* session?.offer("x") ?? Effect.void
      const error = yield* Effect.flip(session?.offer("x".repeat(200)) ?? Effect.void)
      assert.deepInclude(error, { _tag: "MessageTooLarge" })
      assert.strictEqual((yield* gateway.stats).sessions, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("ended by its own onOpen is over", () =>
    Effect.gen(function* () {
      const closed: Array<string> = []
      const gateway = yield* Gateway.make({
        ...options,
        onOpen: (session) => Effect.zipRight(session.end("not today"), Effect.never),
        onClose: (_, end) => Effect.sync(() => void closed.push(end._tag))
      })
      const client = yield* makeClient()
      assert.deepInclude(yield* client.ended, { _tag: "Stopped" })
      yield* settle
      assert.deepStrictEqual(closed, ["Ended"])
      assert.strictEqual((yield* gateway.stats).sessions, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("ended by an onOpen that is done hears onClose", () =>
    Effect.gen(function* () {
      const closed: Array<string> = []
      yield* Gateway.make({
        ...options,
        onOpen: (session) => session.end("not today"),
        onClose: (_, end) => Effect.sync(() => void closed.push(end._tag))
      })
      const client = yield* makeClient()
      yield* client.ended
      yield* settle
      assert.deepStrictEqual(closed, ["Ended"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("with a sender that gave up lets those behind it in", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway()
      const client = yield* makeClient({ replayBytes: 100 })
      yield* client.ready
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* client.send("x".repeat(60))
      const large = yield* Effect.fork(client.send("y".repeat(60)))
      yield* settle
      const small = yield* Effect.fork(client.send("z"))
      yield* settle
      assert.isTrue(yield* isRunning(small), "in order")
      yield* Fiber.interrupt(large)
      yield* settle
      assert.isFalse(yield* isRunning(small))
    }).pipe(Effect.provide(World))
  )
})

describe("A gateway that closes", () => {
  const closesWithin = (
    options: Gateway.GatewayOptions<unknown, unknown, Gateway.Principal>,
    millis: number,
    change = (store: Store) => store
  ) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Gateway.make(options).pipe(withStore(change), Scope.extend(scope))
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.ready
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(millis)
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(World))

  it.scoped("waits for onClose no longer than drainTimeout and closeTimeout", () =>
    closesWithin({ ...options, onClose: () => Effect.never }, 10_000)
  )

  it.scoped("waits for the store no longer than drainTimeout and closeTimeout", () =>
    closesWithin(options, 10_000, (store) => ({ ...store, detach: () => Effect.never }))
  )

  it.scoped("is not held up by a store that fails", () =>
    closesWithin(options, 10_000, (store) => ({
      ...store,
      detach: () => new ConnectionError.StoreUnavailable({ cause: "away" })
    }))
  )

  it.scoped("lets the handler of a session finish whose client is away", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const scope = yield* Scope.make()
      let done = 0
      yield* Gateway.make({
        ...options,
        onMessage: () =>
          Effect.zipRight(
            Effect.sleep("1 second"),
            Effect.sync(() => void done++)
          )
      }).pipe(Scope.extend(scope))
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.send("work")
      yield* settle
      yield* network.cut()
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      assert.isFalse(yield* isRunning(closing))
      assert.strictEqual(done, 1)
    }).pipe(Effect.provide(World))
  )
})
