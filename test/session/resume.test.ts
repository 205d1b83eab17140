import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Queue, Scope, Stream, TestClock } from "effect"
import { Gateway, Messages, Reconnect, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { greet, join, resumeOf } from "../support/peer.js"
import { collect, echoGateway, isRunning, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const oneSecond = Reconnect.exponential({ jitter: false })

const startOf = (client: TestClient) =>
  Effect.map(client.status, (status) => (status._tag === "Ready" ? status.start : status._tag))

/** Cuts, and lets the client come back after its first delay. */
const cutAndReturn = Effect.gen(function* () {
  const network = yield* Network
  yield* network.cut()
  yield* TestClock.adjust(1000)
})

/** How the client starts when it tries again at this very millisecond. */
const backAtOnce = (client: TestClient) =>
  Effect.gen(function* () {
    yield* client.reconnect
    yield* settle
    return yield* startOf(client)
  })

describe("A session", () => {
  it.scoped("carries messages both ways, once and in order, through cuts at any point", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      const echoes = yield* collect(client.messages)
      for (let i = 0; i < 30; i++) {
        yield* client.send(i)
        // Sometimes before anything arrived, sometimes with the answer under way, sometimes after all.
        for (let turn = 0; turn < i % 7; turn++) yield* Effect.promise(() => Promise.resolve())
        if (i % 3 === 0) yield* network.cut()
        if (i % 5 === 0) yield* TestClock.adjust(1000)
      }
      yield* TestClock.adjust(60_000)
      const all = Array.from({ length: 30 }, (_, i) => i)
      assert.deepStrictEqual(handled, all)
      assert.deepStrictEqual(yield* echoes, all)
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Resumed" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("is resumed when nothing was ever exchanged, after a long quiet", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* TestClock.adjust("1 hour")
      yield* cutAndReturn
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Resumed" })
    }).pipe(Effect.provide(World))
  )

  for (const [late, expected] of [
    [0, { _tag: "Resumed" }],
    [1, { _tag: "Reset", reason: "expired", outcomeUnknown: 0, carriedOver: 0 }]
  ] as const) {
    it.scoped(`${late} ms after the last millisecond of its window: ${expected._tag}`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { closed, gateway } = yield* echoGateway({ resumeWindow: "2 minutes" })
        const client = yield* makeClient({ reconnect: oneSecond })
        yield* settle
        yield* network.reach({ _tag: "Refused" })
        yield* network.cut()
        yield* TestClock.adjust(120_000 + late)
        assert.lengthOf(closed, late, "the gateway has given it up")
        assert.strictEqual((yield* gateway.stats).sessions, 1 - late)
        yield* network.reach({ _tag: "Open" })
        assert.deepStrictEqual(yield* backAtOnce(client), expected)
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("survives an old connection's late close, late deadline and late frames", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { closed, gateway, handled } = yield* echoGateway()
      // The client gives up a dead connection long before the gateway does.
      const client = yield* makeClient({
        reconnect: oneSecond,
        heartbeatInterval: "1 second",
        readDeadline: "3 seconds"
      })
      const echoes = yield* collect(client.messages)
      yield* client.send("before")
      yield* settle
      const old = yield* network.latest
      old.silence("server")
      yield* TestClock.adjust(3000)
      assert.strictEqual((yield* client.status)._tag, "Waiting")
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Resumed" })
      yield* client.send("after")
      // The gateway's deadline for the old connection passes, and then its socket breaks.
      yield* TestClock.adjust(120_000)
      old.cut()
      yield* TestClock.adjust(120_000)
      yield* client.send("at last")
      yield* settle
      assert.deepStrictEqual(handled, ["before", "after", "at last"])
      assert.deepStrictEqual(yield* echoes, ["before", "after", "at last"])
      assert.deepStrictEqual(closed, [])
      assert.deepInclude(yield* gateway.stats, { connections: 1, sessions: 1 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("is taken over from a connection that lives: that is told 4409 at once, and its end touches nothing", () =>
    Effect.gen(function* () {
      const { closed, gateway, handled } = yield* echoGateway()
      const { peer: old, welcome } = yield* join()
      const { peer, welcome: again } = yield* join(resumeOf(welcome))
      assert.deepInclude(again, { resumed: true, session: welcome["session"], generation: 2 })
      assert.deepInclude(old.closed() ?? {}, { code: 4409 })
      yield* old.leave
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "on" })
      assert.deepStrictEqual(handled, ["on"])
      assert.deepInclude(peer.said("data")[0] ?? {}, { seq: 1, body: "on" })
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(closed, [])
      assert.deepInclude(yield* gateway.stats, { connections: 1, sessions: 1 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("that is back is not swept up as expired while it is connected", () =>
    Effect.gen(function* () {
      const { closed, handled } = yield* echoGateway({ resumeWindow: "2 minutes" })
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.deliver("before")
      yield* cutAndReturn
      yield* TestClock.adjust("10 minutes")
      yield* client.deliver("after")
      assert.deepStrictEqual(handled, ["before", "after"])
      assert.deepStrictEqual(closed, [])
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" }, generation: 2 })
    }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory())))
  )

  it.scoped("is found dead by both ends when the wire goes silent", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* echoGateway()
      const client = yield* makeClient()
      yield* settle
      yield* network.reach({ _tag: "Silent" })
      const link = yield* network.latest
      link.silence()
      yield* TestClock.adjust(59_999)
      assert.strictEqual((yield* client.status)._tag, "Ready")
      assert.strictEqual((yield* gateway.stats).connections, 1)
      yield* TestClock.adjust(1)
      const status = yield* client.status
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, {
        _tag: "ReadDeadlineExceeded",
        lastActivity: 0,
        deadline: 60_000
      })
      assert.deepInclude(yield* gateway.stats, { connections: 0, sessions: 1 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("has its client show at once that it has the new secret, which voids the one before", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const confirmed: Array<number> = []
      const store: SessionStore.SessionStore["Type"] = {
        ...memory,
        confirm: (id, generation) => {
          confirmed.push(generation)
          return memory.confirm(id, generation)
        }
      }
      yield* Effect.provideService(echoGateway(), SessionStore.SessionStore, store)
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* client.ready
      yield* settle
      assert.deepStrictEqual(confirmed, [1])
      yield* cutAndReturn
      assert.deepStrictEqual(confirmed, [1, 2])
    }).pipe(Effect.provide(World))
  )

  it.scoped(
    "is untouched by a hello that a later one has overtaken: 4409 while its secret is valid, then `secret`",
    () =>
      Effect.gen(function* () {
        const { gateway, handled } = yield* echoGateway()
        const { peer: first, welcome } = yield* join()
        yield* first.leave
        const { resume } = resumeOf(welcome)
        const { peer, welcome: later } = yield* join({ resume: { ...resume, attempt: 2 ** 20 } })
        assert.deepInclude(later, { resumed: true, generation: 2 })
        // The later connection has not shown yet that it has the new secret.
        const overtaken = { resume: { ...resume, attempt: 2 ** 20 - 1 } }
        const valid = yield* greet(overtaken)
        assert.deepStrictEqual(valid.said("welcome"), [])
        assert.deepInclude(valid.closed() ?? {}, { code: 4409 })
        yield* peer.say({ type: "ack", ack: 0 })
        const { welcome: other } = yield* join(overtaken)
        assert.deepInclude(other, { resumed: false, reason: "secret", generation: 1 })
        assert.notStrictEqual(other["session"], welcome["session"])
        yield* peer.say({ type: "data", seq: 1, ack: 0, body: "on" })
        assert.deepStrictEqual(handled, ["on"])
        assert.isUndefined(peer.closed())
        assert.strictEqual((yield* gateway.stats).sessions, 2)
      }).pipe(Effect.provide(World))
  )

  it.scoped("survives a welcome that is lost on the way, twice", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      // The hello arrives, and rotates the secret; its welcome does not.
      yield* network.onLink((link) => link.silence("server"))
      yield* network.cut()
      yield* TestClock.adjust(1000 + 5000 + 2000 + 4999)
      assert.strictEqual(yield* network.dials, 3)
      yield* network.onLink(() => {})
      yield* TestClock.adjust(1 + 4000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" }, generation: 4 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("is resumed after a close with 1000 that followed no bye", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { closed } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      const link = yield* network.latest
      link.server.close(1000, "a proxy's idea")
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Resumed" })
      assert.deepStrictEqual(closed, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends with bye, after all that was sent before was handled", () =>
    Effect.gen(function* () {
      const { closed, gateway, handled } = yield* echoGateway()
      const client = yield* makeClient()
      yield* settle
      yield* client.send("last words")
      yield* client.close
      yield* settle
      assert.deepStrictEqual(handled, ["last words"])
      assert.deepStrictEqual(closed, [{ _tag: "Bye" }])
      assert.deepStrictEqual(yield* client.ended, { _tag: "Closed" })
      assert.deepInclude(yield* gateway.stats, { connections: 0, sessions: 0 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("is over with its client's bye, and what it still had for the client is given up", () =>
    Effect.gen(function* () {
      const { closed, gateway } = yield* echoGateway()
      const { peer, welcome } = yield* join()
      const [session] = yield* gateway.sessions
      if (session === undefined) return assert.fail("no session")
      const delivery = yield* Effect.fork(Effect.flip(session.deliver("for the client")))
      yield* settle
      assert.lengthOf(peer.said("data"), 1)
      yield* peer.say({ type: "bye" })
      assert.deepInclude(peer.closed() ?? {}, { code: 1000 })
      assert.strictEqual((yield* Fiber.join(delivery))._tag, "OutcomeUnknown")
      assert.deepStrictEqual(closed, [{ _tag: "Bye" }])
      const { peer: again, welcome: other } = yield* join(resumeOf(welcome))
      assert.deepInclude(other, { resumed: false, reason: "unknown" })
      assert.deepStrictEqual(again.said("data"), [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("that the server ended is not resumed, even by a client that missed it", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      yield* network.cut()
      const [session] = yield* gateway.sessions
      yield* session?.end("banned") ?? Effect.void
      yield* TestClock.adjust(1000)
      const end = yield* client.ended
      assert.deepInclude(end, { _tag: "Stopped", verdict: { _tag: "Stop", why: "SessionEnded" } })
      assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { code: 4410, reason: "banned" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("sends while the client is away", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond })
      const messages = yield* collect(client.messages)
      yield* settle
      const [session] = yield* gateway.sessions
      yield* network.cut()
      yield* settle
      for (let i = 1; i <= 3; i++) yield* gateway.send(session?.id ?? "", `news ${i}`)
      assert.deepStrictEqual(yield* messages, [])
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* messages, ["news 1", "news 2", "news 3"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("acknowledges when the handler has succeeded, not before", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Deferred.await(go)
      })
      const client = yield* makeClient()
      const delivery = yield* Effect.fork(client.deliver("work"))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* isRunning(delivery))
      yield* Deferred.succeed(go, undefined)
      yield* settle
      assert.isFalse(yield* isRunning(delivery))
      yield* Fiber.join(delivery)
    }).pipe(Effect.provide(World))
  )

  it.scoped("a handler that runs through a reconnect gets its message once, and its delivery succeeds", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      let runs = 0
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () =>
          Effect.zipRight(
            Effect.sync(() => void runs++),
            Deferred.await(go)
          )
      })
      const client = yield* makeClient({ reconnect: oneSecond })
      const delivery = yield* Effect.fork(client.deliver("work"))
      yield* settle
      yield* cutAndReturn
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Resumed" })
      yield* Deferred.succeed(go, undefined)
      yield* settle
      yield* Fiber.join(delivery)
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("send suspends while the replay buffer is full, and goes on with the acknowledgements", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* echoGateway()
      const client = yield* makeClient({ reconnect: oneSecond, replayMessages: 4 })
      yield* settle
      yield* network.cut()
      const sending = yield* Effect.fork(Effect.forEach([1, 2, 3, 4, 5, 6], client.send))
      yield* TestClock.adjust(999)
      assert.isTrue(yield* isRunning(sending))
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(1000)
      assert.isFalse(yield* isRunning(sending))
      assert.deepStrictEqual(handled, [1, 2, 3, 4, 5, 6])
    }).pipe(Effect.provide(World))
  )

  it.scoped("what was processed is acknowledged while the next handler waits, which may be waiting for that", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" })
      yield* Gateway.make({
        drainTimeout: 0,
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: (message) => (message === "wait" ? Effect.never : Effect.void)
      })
      const client = yield* makeClient({ reconnect: oneSecond, replayMessages: 2 })
      yield* client.send("go")
      yield* client.send("wait")
      const third = yield* Effect.fork(client.send("more"))
      yield* settle
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(1000 + 49)
      assert.isTrue(yield* isRunning(third))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(third))
    }).pipe(Effect.provide(World))
  )

  for (const [what, limits, size] of [
    ["messages", { replayMessages: 3 }, 1],
    ["bytes", { maxMessage: 100, replayBytes: 300 }, 98]
  ] as const) {
    it.scoped(`its client has no more ${what} in flight than the server allows, and all come through`, () =>
      Effect.gen(function* () {
        const handled: Array<unknown> = []
        const done = yield* Queue.unbounded<void>()
        const gateway = yield* Gateway.make({
          ...limits,
          messages: Messages.json,
          authenticate: Gateway.anonymous,
          onMessage: (message) =>
            Effect.zipRight(
              Effect.sync(() => void handled.push(message)),
              Queue.take(done)
            )
        })
        const client = yield* makeClient()
        yield* client.ready
        const texts = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(size))
        for (const text of texts) yield* client.send(text)
        yield* TestClock.adjust("1 second")
        const [session] = yield* gateway.sessions
        assert.strictEqual((yield* session?.info ?? Effect.die("no session")).unprocessed, 3)
        yield* Queue.offerAll(
          done,
          texts.map(() => undefined)
        )
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(handled, texts)
        assert.strictEqual((yield* client.status)._tag, "Ready")
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("the acknowledgement alone goes out after ackDelay", () =>
    Effect.gen(function* () {
      yield* Gateway.make({
        ackDelay: 40,
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      })
      const client = yield* makeClient({ replayMessages: 1 })
      yield* settle
      yield* client.send(1)
      const second = yield* Effect.fork(client.send(2))
      yield* TestClock.adjust(39)
      assert.isTrue(yield* isRunning(second))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(second))
    }).pipe(Effect.provide(World))
  )
})

describe("A lost session", () => {
  it.scoped("does not have what is handled late of it count in the new one", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* echoGateway({ resumeWindow: "1 second" })
      const client = yield* makeClient({ reconnect: oneSecond })
      const done = yield* Queue.unbounded<void>()
      const seen: Array<unknown> = []
      yield* Effect.fork(
        Stream.runForEach(client.messages, (message) => {
          seen.push(message)
          return Queue.take(done)
        })
      )
      const current = Effect.flatMap(gateway.sessions, ([session]) =>
        session === undefined ? Effect.dieMessage("no session") : Effect.succeed(session)
      )
      const unacknowledged = Effect.map(
        Effect.flatMap(current, (session) => session.info),
        (info) => info.unacknowledged.messages
      )
      yield* client.ready
      yield* Effect.flatMap(current, (session) => session.send("old"))
      yield* settle
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      yield* TestClock.adjust(1500)
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(5000)
      yield* Effect.flatMap(current, (session) => session.send("new"))
      yield* settle
      assert.deepStrictEqual(seen, ["old"])
      yield* Queue.offer(done, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["old", "new"])
      assert.strictEqual(yield* unacknowledged, 1, "the new one is in hand still")
      yield* Queue.offer(done, undefined)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* unacknowledged, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("is a typed event; what had not left goes out in the new one, what had is reported", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const first = yield* Scope.make()
      const go = yield* Deferred.make<void>()
      yield* Scope.extend(
        Gateway.make({
          drainTimeout: 0,
          messages: Messages.json,
          authenticate: Gateway.anonymous,
          onMessage: () => Deferred.await(go)
        }),
        first
      )
      const client = yield* makeClient({ reconnect: oneSecond })
      const events = yield* collect(client.events)
      yield* settle
      const left = yield* Effect.fork(Effect.flip(client.deliver("left")))
      yield* settle
      yield* network.reach({ _tag: "Refused" })
      yield* network.cut()
      const waited = yield* Effect.fork(client.deliver("waited"))
      yield* Scope.close(first, Exit.void)
      // The first gateway's memory is gone with it.
      const store = Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())
      const { handled } = yield* echoGateway().pipe(Effect.provide(store))
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(5000)
      const lost = { reason: "unknown", outcomeUnknown: 1, carriedOver: 1 } as const
      assert.deepStrictEqual(yield* events, [{ _tag: "SessionLost", ...lost }])
      assert.deepStrictEqual(yield* startOf(client), { _tag: "Reset", ...lost })
      assert.strictEqual((yield* Fiber.join(left))._tag, "OutcomeUnknown")
      yield* Fiber.join(waited)
      assert.deepStrictEqual(handled, ["waited"])
    }).pipe(Effect.provide(World))
  )
})
