import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Queue, Scope, Supervisor, TestClock } from "effect"
import {
  Client,
  ConnectionError,
  Credentials,
  Dialer,
  Gateway,
  Listener,
  Messages,
  Outcome,
  Reconnect,
  type Session,
  SessionStore
} from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { greet, join } from "../support/peer.js"
import {
  collect,
  echoGateway,
  isRunning,
  makeClient,
  settle,
  type TestClient,
  World,
  withRandom
} from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const oneSecond = Reconnect.exponential({ jitter: false })

/** Runs it under a supervisor; how many of the fibers that it forked still live. */
const counted = <A, E, R>(effect: (living: Effect.Effect<number>) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Supervisor.track, (supervisor) =>
    effect(Effect.map(supervisor.value, (fibers) => fibers.length)).pipe(Effect.supervised(supervisor))
  )

/** Brings the client into a phase of its life. */
const phases: Record<string, (network: MemoryNetwork.MemoryNetwork["Type"]) => Effect.Effect<unknown>> = {
  dialling: (network) => network.reach({ _tag: "Silent" }),
  "waiting for the welcome": (network) => network.onLink((link) => link.silence("server")),
  Ready: () => Effect.void,
  "Ready for a while": () => TestClock.adjust("5 minutes"),
  "Ready on a dead wire": (network) =>
    Effect.zipRight(
      settle,
      Effect.map(network.latest, (link) => link.silence())
    ),
  "waiting for the next attempt": (network) => network.reach({ _tag: "Refused" })
}

describe("Interrupting a client", () => {
  for (const [phase, prepare] of Object.entries(phases)) {
    it.scoped(`while ${phase} leaves nothing behind`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* echoGateway()
        yield* settle
        yield* counted((living) =>
          Effect.gen(function* () {
            const before = yield* living
            const scope = yield* Scope.make()
            if (phase.startsWith("Ready")) yield* Scope.extend(makeClient(), scope).pipe(Effect.zipLeft(settle))
            yield* prepare(network)
            if (!phase.startsWith("Ready")) yield* Scope.extend(makeClient(), scope)
            yield* settle
            assert.isAbove(yield* living, before)
            const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
            yield* TestClock.adjust("15 seconds")
            assert.isFalse(yield* isRunning(closing), "bounded")
            assert.strictEqual(yield* living, before)
          })
        )
        assert.deepStrictEqual(yield* network.links, [])
        const dials = yield* network.dials
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(yield* network.dials, dials)
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("while its gateway's handler runs leaves the handler to finish", () =>
    Effect.gen(function* () {
      let done = 0
      const { closed } = yield* Effect.gen(function* () {
        const closed: Array<Session.SessionEnd> = []
        yield* Gateway.make({
          messages: Messages.json,
          authenticate: Gateway.anonymous,
          onMessage: () =>
            Effect.zipRight(
              Effect.sleep("1 second"),
              Effect.sync(() => void done++)
            ),
          onClose: (_, end) => Effect.sync(() => void closed.push(end))
        })
        return { closed }
      })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(makeClient(), scope)
      yield* settle
      yield* client.send("work")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("999 millis")
      assert.isTrue(yield* isRunning(closing))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(closing))
      assert.strictEqual(done, 1)
      assert.deepStrictEqual(closed, [{ _tag: "Bye" }])
    }).pipe(Effect.provide(World))
  )
})

describe("A gateway", () => {
  it.scoped("leaves nothing behind when its scope closes", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* counted((living) =>
        Effect.gen(function* () {
          const before = yield* living
          const scope = yield* Scope.make()
          const { closed } = yield* Scope.extend(echoGateway(), scope)
          const clients = yield* Effect.forEach([1, 2, 3], () => makeClient().pipe(Scope.extend(scope)))
          yield* settle
          for (const client of clients) yield* client.send("hello")
          yield* network.cut()
          yield* settle
          assert.isAbove(yield* living, before)
          const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("10 seconds")
          assert.isFalse(yield* isRunning(closing))
          assert.strictEqual(yield* living, before)
          assert.lengthOf(closed, 3)
        })
      )
      assert.deepStrictEqual(yield* network.links, [])
    }).pipe(Effect.provide(World))
  )

  const gatewayPhases: Record<string, Partial<Gateway.GatewayOptions<unknown, unknown, Gateway.Principal>>> = {
    "looks at an upgrade": { authorizeUpgrade: () => Effect.never },
    authenticates: { authenticate: () => Effect.never },
    "opens a session": { onOpen: () => Effect.never },
    "handles a message": { onMessage: () => Effect.never },
    "closes a session": { onClose: () => Effect.never }
  }
  for (const [phase, options] of Object.entries(gatewayPhases)) {
    it.scoped(`interrupted while it ${phase} leaves nothing behind`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        yield* counted((living) =>
          Effect.gen(function* () {
            const before = yield* living
            const scope = yield* Scope.make()
            yield* Gateway.make({
              messages: Messages.json,
              authenticate: Gateway.anonymous,
              onMessage: () => Effect.void,
              ...options
            }).pipe(Scope.extend(scope))
            const clients = yield* Scope.make()
            const client = yield* Scope.extend(makeClient(), clients)
            yield* client.send("work")
            yield* settle
            if (phase === "closes a session") yield* Effect.forkIn(client.close, clients)
            yield* settle
            // The gateway goes while its client is there.
            const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
            yield* TestClock.adjust("20 seconds")
            assert.isFalse(yield* isRunning(closing), "bounded")
            yield* Scope.close(clients, Exit.void)
            assert.strictEqual(yield* living, before)
          })
        )
        assert.deepStrictEqual(yield* network.links, [])
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("interrupted while it waits for a hello leaves nothing behind", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const dialer = yield* Dialer.Dialer
      const request = { url: "memory:", protocols: ["holdfast.v1.json"], maxFrame: 1000, closeTimeout: 1000 }
      yield* counted((living) =>
        Effect.gen(function* () {
          const before = yield* living
          const scope = yield* Scope.make()
          const { gateway } = yield* Scope.extend(echoGateway(), scope)
          yield* dialer.dial(request)
          yield* settle
          assert.strictEqual((yield* gateway.stats).connections, 1)
          const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("20 seconds")
          assert.isFalse(yield* isRunning(closing), "bounded")
          assert.strictEqual(yield* living, before)
        })
      )
      assert.deepStrictEqual(yield* network.links, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("takes handlers that need services of their own, each", () =>
    Effect.gen(function* () {
      class Names extends Context.Tag("test/Names")<Names, (token: string) => string>() {}
      class Suffix extends Context.Tag("test/Suffix")<Suffix, string>() {}
      class Token extends Context.Tag("test/Token")<Token, string>() {}
      class Address extends Context.Tag("test/Address")<Address, string>() {}
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: ({ token }) => Effect.map(Names, (name) => ({ id: name(token ?? "") })),
        onMessage: (message, session) =>
          Effect.flatMap(Suffix, (suffix) => session.send(`${session.principal.id}: ${message}${suffix}`))
      }).pipe(
        Effect.provideService(Names, (token) => token.toUpperCase()),
        Effect.provideService(Suffix, "!")
      )
      const client = yield* Client.make({ url: Address, token: Token, messages: Messages.json }).pipe(
        Effect.provideService(Address, "memory:"),
        Effect.provideService(Token, "ann")
      )
      const messages = yield* collect(client.messages)
      yield* client.deliver("hello")
      yield* settle
      assert.deepStrictEqual(yield* messages, ["ANN: hello!"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("closes with 4408 at exactly helloTimeout when no hello comes", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const dialer = yield* Dialer.Dialer
      const request = { url: "memory:", protocols: ["holdfast.v1.json"], maxFrame: 1000, closeTimeout: 1000 }
      const transport = yield* dialer.dial(request)
      let code = 0
      const ignore = () => {}
      transport.run({
        message: ignore,
        ping: ignore,
        pong: ignore,
        congested: ignore,
        drained: ignore,
        closed: (event) => {
          code = event.code
        }
      })
      yield* TestClock.adjust(4999)
      assert.strictEqual(code, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(code, 4408)
    }).pipe(Effect.provide(World))
  )

  it.scoped("runs no heartbeat before the welcome, and then one at each interval", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway({ heartbeatInterval: "10 seconds" })
      yield* makeClient()
      yield* settle
      const link = yield* network.latest
      yield* TestClock.adjust(4999)
      assert.strictEqual(link.pings("server"), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(link.pings("server"), 1)
      assert.strictEqual(link.pings("client"), 1, "the client obeys the server's interval")
      yield* TestClock.adjust(10_000)
      assert.strictEqual(link.pings("server"), 2)
      assert.strictEqual(link.pings("client"), 2)
    }).pipe(withRandom(0.5), Effect.provide(World))
  )

  it.scoped("the session of a failing handler ends, and no other", () =>
    Effect.gen(function* () {
      const closed: Array<string> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: (message, session) =>
          message === "fail" ? Effect.fail("no") : message === "die" ? Effect.die("a defect") : session.send(message),
        onFailure: () => Outcome.end("no", { final: false }),
        onClose: (_, end) => Effect.sync(() => void closed.push(end._tag))
      })
      const good = yield* makeClient()
      const echoes = yield* collect(good.messages)
      for (const bad of ["fail", "die"]) {
        const client = yield* makeClient()
        yield* client.send(bad)
        yield* settle
        const status = yield* client.status
        assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, { code: 4411 })
      }
      yield* good.send("still here")
      yield* settle
      assert.deepStrictEqual(yield* echoes, ["still here"])
      assert.deepStrictEqual(closed, ["Ended", "HandlerFailed"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("an onClose that dies hurts nobody", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void,
        onClose: () => Effect.die("a defect")
      })
      const client = yield* makeClient()
      yield* client.ready
      yield* client.close
      yield* settle
      assert.strictEqual((yield* gateway.stats).sessions, 0)
    }).pipe(Effect.provide(World))
  )
})

describe("Drain", () => {
  it.scoped("tells each client its own delay, lets the handler finish, and closes with 1012", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const scope = yield* Scope.make()
      let done = 0
      yield* Gateway.make({
        drainSpread: "8 seconds",
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () =>
          Effect.zipRight(
            Effect.sleep("1 second"),
            Effect.sync(() => void done++)
          )
      }).pipe(Scope.extend(scope), withRandom(0.25))
      const client = yield* makeClient({ reconnect: oneSecond })
      const events = yield* collect(client.events)
      yield* settle
      yield* client.send(1)
      yield* client.send(2)
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      assert.isFalse(yield* isRunning(closing))
      assert.strictEqual(done, 1, "the message in hand; the next is left for whoever comes next")
      assert.deepStrictEqual(yield* events, [{ _tag: "GoingAway", retryAfter: 2000, reason: "the server restarts" }])
      const status = yield* client.status
      assert.deepInclude(status, { _tag: "Waiting", delay: 2000, attempt: 1 })
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, { _tag: "ClosedByPeer", code: 1012 })
      yield* network.reach({ _tag: "Refused" })
      yield* TestClock.adjust(2000)
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 1000 }, "the goaway was no failure")
    }).pipe(Effect.provide(World))
  )

  it.scoped("gives no session to a hello that was being looked at when it began", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const known = yield* Deferred.make<void>()
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: ({ token }) => Effect.as(token === "slow" ? Deferred.await(known) : Effect.void, { id: "x" }),
        onMessage: () => Effect.never
      }).pipe(Scope.extend(scope))
      const { peer } = yield* join()
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "for ever" })
      const late = yield* greet({ token: "slow" })
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      assert.isTrue(yield* isRunning(closing), "the drain waits for the handler")
      yield* Deferred.succeed(known, undefined)
      yield* settle
      assert.deepStrictEqual(late.said("welcome"), [])
      assert.deepInclude(late.closed() ?? {}, { code: 1012 })
      assert.strictEqual((yield* gateway.stats).sessions, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("is bounded by drainTimeout when a handler does not finish", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const closed: Array<string> = []
      yield* Gateway.make({
        drainTimeout: "3 seconds",
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.never,
        onClose: (_, end) => Effect.sync(() => void closed.push(end._tag))
      }).pipe(Scope.extend(scope))
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.send("for ever")
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(2999)
      assert.isTrue(yield* isRunning(closing))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(closing))
      assert.deepStrictEqual(closed, ["Shutdown"])
    }).pipe(Effect.provide(World))
  )
})

describe("Clients that cannot ping", () => {
  const Browser = Layer.merge(
    MemoryNetwork.layer({ clientPings: false }),
    Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())
  )

  it.scoped("ask for messages instead, live on them, and find a dead server by them", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* echoGateway()
      const client = yield* makeClient()
      yield* TestClock.adjust("10 minutes")
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 1 })
      const link = yield* network.latest
      assert.strictEqual(link.pings("client") + link.pings("server"), 0)
      const [session] = yield* gateway.sessions
      assert.deepInclude((yield* session?.info ?? Effect.die("no session")).connection, { roundTrip: 0 })
      link.silence()
      // Both ends beat at 15 s and every 30 s from there: the last activity was at 585 s, 15 s ago.
      yield* TestClock.adjust(44_999)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.strictEqual((yield* gateway.stats).connections, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* client.status)._tag, "Waiting")
      assert.strictEqual((yield* gateway.stats).connections, 0)
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2 })
    }).pipe(withRandom(0.5), Effect.provide(Browser))
  )
})

describe("Two gateways on one store", () => {
  /** A dialer that goes to one of two networks. */
  const twoGateways = Effect.gen(function* () {
    const store = yield* SessionStore.makeMemory()
    const credentials = MemoryNetwork.credentials()
    const build = Effect.gen(function* () {
      const context = yield* Layer.build(MemoryNetwork.layer())
      const made = yield* echoGateway().pipe(
        Effect.provideService(SessionStore.SessionStore, store),
        Effect.provideService(Listener.Listener, Context.get(context, Listener.Listener)),
        Effect.provideService(Credentials.Credentials, credentials)
      )
      return { ...made, network: Context.get(context, Network), dialer: Context.get(context, Dialer.Dialer) }
    })
    const [a, b] = [yield* build, yield* build]
    let here = a
    const client: TestClient = yield* Client.make({
      url: "memory:",
      messages: Messages.json,
      reconnect: oneSecond
    }).pipe(Effect.provideService(Dialer.Dialer, { dial: (request) => here.dialer.dial(request) }))
    const move = Effect.sync(() => {
      here = here === a ? b : a
    })
    return { a, b, client, move, store }
  })

  it.scoped("a session moves to the other with what it had not acknowledged", () =>
    Effect.gen(function* () {
      const { a, b, client, move, store } = yield* twoGateways
      yield* settle
      yield* client.send(1)
      yield* client.send(2)
      yield* settle
      const [session] = yield* a.gateway.sessions
      // The application has consumed nothing: the echoes are unacknowledged, and one more is on its way.
      yield* a.network.cut()
      yield* session?.send("while away") ?? Effect.void
      yield* move
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" }, generation: 2 })
      yield* client.send(3)
      const messages = yield* collect(client.messages)
      yield* settle
      assert.deepStrictEqual(yield* messages, [1, 2, "while away", 3])
      assert.deepStrictEqual([a.handled, b.handled], [[1, 2], [3]])
      // The first one learns of it when it acts for the session, and leaves the session alone.
      yield* session?.send("too late").pipe(Effect.ignore) ?? Effect.void
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(a.closed, [{ _tag: "MovedAway" }])
      assert.deepStrictEqual(b.closed, [])
      assert.strictEqual(yield* store.size, 1)
      assert.deepStrictEqual(yield* messages, [1, 2, "while away", 3])
    })
  )

  it.scoped("and back again", () =>
    Effect.gen(function* () {
      const { a, b, client, move } = yield* twoGateways
      const messages = yield* collect(client.messages)
      yield* settle
      for (let i = 0; i < 6; i++) {
        yield* client.send(i)
        yield* settle
        yield* (i % 2 === 0 ? a : b).network.cut()
        yield* move
        yield* TestClock.adjust(1000)
        yield* TestClock.adjust("31 seconds")
      }
      assert.deepStrictEqual(yield* messages, [0, 1, 2, 3, 4, 5])
      assert.deepStrictEqual([...a.handled, ...b.handled].sort(), [0, 1, 2, 3, 4, 5])
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
    })
  )
})

describe("A store that fails", () => {
  it.scoped("is asked again after 100 ms, and then twice as long each time, until it answers", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const asked: Array<number> = []
      const failing: SessionStore.SessionStore["Type"] = {
        ...memory,
        append: (...args) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            asked.push(now)
            return asked.length < 5
              ? Effect.fail(new ConnectionError.StoreUnavailable({ cause: "down" }))
              : memory.append(...args)
          })
      }
      const { gateway } = yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, failing)
      const client = yield* makeClient()
      const messages = yield* collect(client.messages)
      yield* settle
      const [session] = yield* gateway.sessions
      if (session === undefined) return assert.fail("no session")
      const sending = yield* Effect.fork(session.send("at last"))
      yield* TestClock.adjust(1499)
      assert.deepStrictEqual(asked, [0, 100, 300, 700])
      assert.isTrue(yield* isRunning(sending))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(asked, [0, 100, 300, 700, 1500])
      assert.isFalse(yield* isRunning(sending))
      assert.deepStrictEqual(yield* messages, ["at last"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("holds up send until it answers, in order, and loses nothing", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const back = yield* Deferred.make<void>()
      let away = false
      const flaky: SessionStore.SessionStore["Type"] = {
        ...memory,
        append: (id, generation, messages) =>
          Effect.suspend(() =>
            away
              ? Effect.zipRight(Deferred.await(back), memory.append(id, generation, messages))
              : memory.append(id, generation, messages)
          )
      }
      const gateway = yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      }).pipe(Effect.provideService(SessionStore.SessionStore, flaky))
      const client = yield* makeClient({ reconnect: oneSecond })
      const messages = yield* collect(client.messages)
      yield* settle
      const [session] = yield* gateway.sessions
      if (session === undefined) return assert.fail("no session")
      away = true
      const sending = yield* Effect.forEach([1, 2, 3], (n) => Effect.fork(session.send(n)))
      yield* TestClock.adjust("1 second")
      for (const fiber of sending) assert.isTrue(yield* isRunning(fiber))
      assert.deepStrictEqual(yield* messages, [], "nothing leaves before the store has it")
      away = false
      yield* Deferred.succeed(back, undefined)
      yield* settle
      for (const fiber of sending) assert.isFalse(yield* isRunning(fiber))
      assert.deepStrictEqual(yield* messages, [1, 2, 3])
    }).pipe(Effect.provide(World))
  )
})

describe("A store that is slow", () => {
  it.scoped("is told again what reached it after the session was resumed", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const memory = yield* SessionStore.makeMemory()
      const appended: Array<readonly [generation: number, seqs: ReadonlyArray<number>]> = []
      let delay = 0
      const slow: SessionStore.SessionStore["Type"] = {
        ...memory,
        append: (id, generation, messages) =>
          Effect.suspend(() => Effect.sleep(delay)).pipe(
            Effect.zipRight(memory.append(id, generation, messages)),
            Effect.tap(() => Effect.sync(() => appended.push([generation, messages.map(({ seq }) => seq)])))
          )
      }
      const { gateway } = yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, slow)
      const client = yield* makeClient({ reconnect: oneSecond })
      const messages = yield* collect(client.messages)
      yield* settle
      const [session] = yield* gateway.sessions
      if (session === undefined) return assert.fail("no session")
      delay = 5000
      yield* Effect.fork(session.send("late"))
      yield* network.cut()
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2 })
      yield* TestClock.adjust(4000)
      assert.deepStrictEqual([appended, yield* messages], [[], []], "it was fenced off")
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(appended, [[2, [1]]])
      assert.deepStrictEqual(yield* messages, ["late"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("has what leaves, each message of it", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const answers = yield* Queue.unbounded<void>()
      const slow: SessionStore.SessionStore["Type"] = {
        ...memory,
        append: (...args) => Effect.zipRight(Queue.take(answers), memory.append(...args))
      }
      const { gateway } = yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, slow)
      const client = yield* makeClient()
      const messages = yield* collect(client.messages)
      yield* settle
      const [session] = yield* gateway.sessions
      if (session === undefined) return assert.fail("no session")
      for (const n of [1, 2]) yield* Effect.fork(session.send(n))
      yield* settle
      yield* Queue.offer(answers, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* messages, [1], "the store does not have the second")
      yield* Queue.offer(answers, undefined)
      yield* settle
      assert.deepStrictEqual(yield* messages, [1, 2])
    }).pipe(Effect.provide(World))
  )

  it.scoped("has noted what is acknowledged", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const answer = yield* Deferred.make<void>()
      const slow: SessionStore.SessionStore["Type"] = {
        ...memory,
        acknowledge: (...args) => Effect.zipRight(Deferred.await(answer), memory.acknowledge(...args))
      }
      const { handled } = yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, slow)
      const client = yield* makeClient()
      const delivery = yield* Effect.fork(client.deliver("x"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(handled, ["x"])
      assert.isTrue(yield* isRunning(delivery), "handled, and not noted")
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(delivery)
    }).pipe(Effect.provide(World))
  )
})

describe("onClose", () => {
  it.scoped("of a session that is over already is not cut off by the end of its gateway", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const scope = yield* Scope.make()
      const onClose = (_: unknown, end: Session.SessionEnd) =>
        Effect.zipRight(
          Effect.sleep("1 second"),
          Effect.sync(() => void heard.push(end._tag))
        )
      const options = {
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void,
        onClose
      }
      yield* Scope.extend(Gateway.make(options), scope)
      const client = yield* makeClient()
      yield* settle
      const closing = yield* Effect.fork(client.close)
      yield* settle
      assert.isFalse(yield* isRunning(closing))
      const ending = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("999 millis")
      assert.isTrue(yield* isRunning(ending))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(heard, ["Bye"])
      assert.isFalse(yield* isRunning(ending))
    }).pipe(Effect.provide(World))
  )
})
