/** Principals that expire: the fresh token that is asked for, and what becomes of a session that has none. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, FiberRef, Scope, Supervisor, TestClock } from "effect"
import { ConnectionError, Gateway, Messages, type Options, Reconnect, type Session, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { isBackground } from "../../src/connection/clocks.js"
import { greet, join, resumeOf } from "../support/peer.js"
import { collect, isRunning, makeClient, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const { NotAllowed, NotAuthenticated } = ConnectionError
const oneSecond = Reconnect.exponential({ jitter: false })

type Authenticate = Gateway.GatewayOptions<unknown, unknown, Gateway.Principal>["authenticate"]

/** A token names the principal and when it expires: `ann 60000`. */
const byToken: Authenticate = ({ token = "" }) => {
  const [id = "", expiresAt] = token.split(" ")
  if (id === "nobody") return new NotAuthenticated({ reason: "who is that?" })
  if (id === "banned") return new NotAllowed({ reason: "not you" })
  return Effect.succeed(expiresAt === undefined ? { id } : { id, expiresAt: Number(expiresAt) })
}

const makeGateway = (options?: Options.All & { readonly authenticate?: Authenticate }) =>
  Effect.gen(function* () {
    const tokens: Array<string | undefined> = []
    const events: Array<string> = []
    const ends: Array<Session.SessionEnd> = []
    const authenticate = options?.authenticate ?? byToken
    const gateway = yield* Gateway.make({
      ...options,
      messages: Messages.json,
      authenticate: (hello) => {
        tokens.push(hello.token)
        return authenticate(hello)
      },
      onMessage: (message, session) => session.send(message),
      onOpen: () => Effect.sync(() => void events.push("open")),
      onClose: (_, end) =>
        Effect.sync(() => {
          events.push("close")
          ends.push(end)
        })
    })
    const principals = Effect.map(gateway.sessions, (sessions) => sessions.map(({ principal }) => principal))
    return { gateway, tokens, events, ends, principals }
  })

const lines = (peer: { readonly said: (type: string) => ReadonlyArray<unknown> }) => peer.said("authenticate")

describe("A principal that expires", () => {
  it.scoped("is asked for a fresh token exactly refreshBefore the expiry, and goes on with it", () =>
    Effect.gen(function* () {
      const { principals } = yield* makeGateway()
      const { peer } = yield* join({ token: "ann 100000" })
      yield* TestClock.adjust(69_999)
      assert.deepStrictEqual(lines(peer), [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(lines(peer), [{ type: "authenticate", expires: 30_000 }])
      yield* peer.say({ type: "token", token: "ann 200000" })
      assert.deepStrictEqual(yield* principals, [{ id: "ann", expiresAt: 200_000 }])
      yield* TestClock.adjust(99_999)
      assert.lengthOf(lines(peer), 1)
      yield* TestClock.adjust(1)
      assert.lengthOf(lines(peer), 2)
      yield* TestClock.adjust(29_999)
      assert.isUndefined(peer.closed())
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(peer.closed(), { code: 4401, reason: "the authentication has expired" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("refreshBefore is an option", () =>
    Effect.gen(function* () {
      yield* makeGateway({ refreshBefore: "10 seconds" })
      const { peer } = yield* join({ token: "ann 60000" })
      yield* TestClock.adjust(49_999)
      assert.lengthOf(lines(peer), 0)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(lines(peer), [{ type: "authenticate", expires: 10_000 }])
    }).pipe(Effect.provide(World))
  )

  it.scoped("is asked at once when it has less left", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      for (const expires of [30_000, 10_000, 1]) {
        const { peer } = yield* join({ token: `ann ${expires}` })
        assert.deepStrictEqual(lines(peer), [{ type: "authenticate", expires }])
      }
    }).pipe(Effect.provide(World))
  )

  it.scoped("is not asked in a loop when its fresh token is no better", () =>
    Effect.gen(function* () {
      const { tokens } = yield* makeGateway()
      const client = yield* makeClient({ token: "ann 20000" })
      const times: Array<number> = []
      yield* settle
      for (let at = 0; at <= 20_000; at += 250) {
        while (times.length < tokens.length) times.push(at)
        yield* TestClock.adjust(250)
      }
      // The hello, the answer to the question at once, then at half of what is left each time.
      assert.deepStrictEqual(times, [0, 0, 10_000, 15_000, 17_500, 18_750, 19_750])
      const end = yield* client.ended
      assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { code: 4401 })
    }).pipe(Effect.provide(World))
  )

  it.scoped(
    "whose time comes without a fresh token is closed with 4401 at that very millisecond, and its session kept",
    () =>
      Effect.gen(function* () {
        const { ends, events, gateway } = yield* makeGateway()
        const { peer, welcome } = yield* join({ token: "ann 60000" })
        yield* TestClock.adjust(59_999)
        assert.isUndefined(peer.closed())
        assert.strictEqual((yield* gateway.stats).sessions, 1)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(peer.closed(), { code: 4401, reason: "the authentication has expired" })
        assert.deepInclude(yield* gateway.stats, { sessions: 1, connections: 0 })
        assert.deepStrictEqual(events, ["open"])
        // Whoever comes back within the resume window is authenticated again.
        yield* TestClock.adjust(120_000)
        const refused = yield* greet({ token: "nobody", ...resumeOf(welcome) })
        assert.deepInclude(refused.closed() ?? {}, { code: 4401 })
        const again = yield* join({ token: "ann 900000", ...resumeOf(welcome) })
        assert.deepInclude(again.welcome, { resumed: true })
        assert.deepStrictEqual(ends, [])
      }).pipe(Effect.provide(World))
  )

  it.scoped("without an expiry any more is never asked again, and holds for good", () =>
    Effect.gen(function* () {
      const { principals } = yield* makeGateway()
      const { peer } = yield* join({ token: "ann 60000" })
      yield* TestClock.adjust(30_000)
      yield* peer.say({ type: "token", token: "ann" })
      yield* TestClock.adjust(100_000)
      for (let i = 0; i < 10; i++) {
        yield* peer.say({ type: "ping", id: 1 })
        yield* TestClock.adjust(50_000)
      }
      assert.lengthOf(lines(peer), 1)
      assert.isUndefined(peer.closed())
      assert.deepStrictEqual(yield* principals, [{ id: "ann" }])
    }).pipe(Effect.provide(World))
  )

  for (const expiresAt of [0, -1, Number.NaN, Number.NEGATIVE_INFINITY]) {
    it.scoped(`when authenticate tells of it (${expiresAt}) is refused with 4401`, () =>
      Effect.gen(function* () {
        const { ends, gateway } = yield* makeGateway()
        const peer = yield* greet({ token: `ann ${expiresAt}` })
        assert.deepStrictEqual(peer.closed(), { code: 4401, reason: "the authentication has expired" })
        assert.deepInclude(yield* gateway.stats, { sessions: 0, connections: 0 })
        assert.deepStrictEqual(ends, [])
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("later than the longest timer is waited for in parts, and met to the millisecond", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      let longest = 0
      const watched: Clock.Clock = Object.create(clock, {
        sleep: {
          // It would look at its clocks every five seconds of 75 days.
          value: (duration: Duration.Duration) =>
            Effect.flatMap(FiberRef.get(isBackground), (isBackground) => {
              if (isBackground) return Effect.never
              longest = Math.max(longest, Duration.toMillis(duration))
              return clock.sleep(duration)
            })
        }
      })
      const expiresAt = 3 * 2 ** 31
      const { gateway } = yield* makeGateway({ heartbeatInterval: 2 ** 31 - 2, readDeadline: 2 ** 31 - 1 }).pipe(
        Effect.withClock(watched),
        // Else it would say thousands of times that it lives.
        Effect.provideServiceEffect(SessionStore.SessionStore, SessionStore.makeMemory({ lease: "30 days" }))
      )
      const { peer } = yield* join({ token: `ann ${expiresAt}` })
      for (let left = expiresAt - 30_001; left > 0; left -= 2 ** 30) {
        yield* TestClock.adjust(Math.min(left, 2 ** 30))
        yield* peer.say({ type: "ping", id: 1 })
      }
      assert.lengthOf(lines(peer), 0)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(lines(peer), [{ type: "authenticate", expires: 30_000 }])
      assert.isAtMost(longest, 2 ** 31 - 1)
      yield* TestClock.adjust(30_000)
      assert.deepInclude(peer.closed() ?? {}, { code: 4401 })
      assert.deepInclude(yield* gateway.stats, { connections: 0 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("that expires while the store creates its session is closed, and the session ends with its window", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const late = {
        ...memory,
        create: (session: SessionStore.NewSession) => Effect.delay(memory.create(session), 500)
      }
      const { ends, events, gateway } = yield* makeGateway().pipe(
        Effect.provideService(SessionStore.SessionStore, late)
      )
      const peer = yield* greet({ token: "ann 400" })
      yield* TestClock.adjust(500)
      yield* settle
      assert.deepInclude(peer.closed() ?? {}, { code: 4401 })
      assert.deepStrictEqual(events, ["open"])
      yield* TestClock.adjust(120_001)
      assert.deepStrictEqual(events, ["open", "close"])
      assert.deepStrictEqual(
        ends.map((end) => end._tag),
        ["Expired"]
      )
      assert.deepInclude(yield* gateway.stats, { sessions: 0 })
      assert.strictEqual(yield* memory.size, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("costs no fiber when it does not expire, and leaves none behind when it does", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const living = Effect.map(supervisor.value, (fibers) => fibers.length)
      yield* Effect.gen(function* () {
        const { gateway } = yield* makeGateway()
        yield* join({ token: "ann" })
        const withoutExpiry = yield* living
        const { peer } = yield* join({ token: "bob 1000000" })
        const withExpiry = yield* living
        yield* join({ token: "ann" })
        const perSession = (yield* living) - withExpiry
        assert.strictEqual(withExpiry - withoutExpiry, perSession + 1)
        yield* peer.say({ type: "bye" })
        assert.strictEqual(yield* living, withoutExpiry + perSession)
        assert.strictEqual((yield* gateway.stats).sessions, 2)
      }).pipe(Effect.supervised(supervisor))
    }).pipe(Effect.provide(World))
  )
})

describe("A fresh token", () => {
  const answers = [
    { token: "nobody", code: 4401, tag: "NotAuthenticated", reason: "who is that?" },
    { token: "banned", code: 4403, tag: "NotAllowed", reason: "not you" },
    { token: "bob 900000", code: 4403, tag: "NotAllowed", reason: "the token is another principal's" },
    { token: "ann 30000", code: 4401, tag: "NotAuthenticated", reason: "the authentication has expired" }
  ]
  for (const { code, reason, tag, token } of answers) {
    it.scoped(`"${token}" ends the session with ${code}`, () =>
      Effect.gen(function* () {
        const { ends, gateway } = yield* makeGateway()
        const { peer } = yield* join({ token: "ann 60000" })
        yield* TestClock.adjust(30_000)
        yield* peer.say({ type: "token", token })
        assert.deepStrictEqual(peer.closed(), { code, reason })
        assert.deepStrictEqual<unknown>(ends, [{ _tag: tag, reason }])
        assert.deepInclude(yield* gateway.stats, { sessions: 0, connections: 0 })
      }).pipe(Effect.provide(World))
    )
  }

  const faults: ReadonlyArray<readonly [string, Authenticate, number, number]> = [
    ["dies", () => Effect.die("a defect"), 0, 1011],
    ["interrupts itself", () => Effect.interrupt, 0, 1011],
    [
      "throws",
      () => {
        throw new Error("a defect")
      },
      0,
      1011
    ],
    ["takes longer than helloTimeout", () => Effect.never, 5000, 1013]
  ]
  for (const [name, fault, after, code] of faults) {
    it.scoped(`that authenticate ${name} on costs the connection (${code}), and the session lives`, () =>
      Effect.gen(function* () {
        let calls = 0
        const { ends, gateway } = yield* makeGateway({
          authenticate: (hello) => (++calls === 2 ? fault(hello) : byToken(hello))
        })
        const { peer, welcome } = yield* join({ token: "ann 60000" })
        yield* TestClock.adjust(30_000)
        yield* peer.say({ type: "token", token: "ann 90000" })
        yield* TestClock.adjust(after - 1)
        if (after > 0) assert.isUndefined(peer.closed())
        yield* TestClock.adjust(1)
        assert.deepInclude(peer.closed() ?? {}, { code })
        assert.deepInclude(yield* gateway.stats, { sessions: 1, connections: 0 })
        const again = yield* join({ token: "ann 90000", ...resumeOf(welcome) })
        assert.deepInclude(again.welcome, { resumed: true })
        assert.deepStrictEqual(ends, [])
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("that is still looked at when the principal expires comes too late, and costs the connection alone", () =>
    Effect.gen(function* () {
      let calls = 0
      const { ends } = yield* makeGateway({
        helloTimeout: "1 minute",
        authenticate: (hello) => (++calls === 2 ? Effect.delay(byToken(hello), 30_000) : byToken(hello))
      })
      const { peer, welcome } = yield* join({ token: "ann 60000" })
      yield* TestClock.adjust(40_000)
      yield* peer.say({ type: "token", token: "ann 900000" })
      yield* TestClock.adjust(19_999)
      assert.isUndefined(peer.closed())
      yield* TestClock.adjust(1)
      assert.deepInclude(peer.closed() ?? {}, { code: 4401 })
      yield* TestClock.adjust(60_000)
      const again = yield* join({ token: "ann 900000", ...resumeOf(welcome) })
      assert.deepInclude(again.welcome, { resumed: true })
      assert.deepStrictEqual(ends, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("that nobody asked for is a violation, and so is a second one while the first is looked at", () =>
    Effect.gen(function* () {
      let calls = 0
      const { gateway } = yield* makeGateway({
        authenticate: (hello) => (++calls === 4 ? Effect.never : byToken(hello))
      })
      for (const token of ["ann", "ann 600000"]) {
        const { peer } = yield* join({ token })
        yield* peer.say({ type: "token", token })
        assert.deepStrictEqual(peer.closed(), { code: 4400, reason: "token: none was asked for" })
      }
      const { peer } = yield* join({ token: "ann 20000" })
      yield* peer.say({ type: "token", token: "ann 600000" })
      assert.isUndefined(peer.closed())
      yield* peer.say({ type: "token", token: "ann 600000" })
      assert.deepStrictEqual(peer.closed(), { code: 4400, reason: "token: another one is being looked at" })
      assert.deepInclude(yield* gateway.stats, { sessions: 3, connections: 0 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("that is looked at while the gateway closes does not hold it up", () =>
    Effect.gen(function* () {
      let calls = 0
      const scope = yield* Scope.make()
      yield* makeGateway({
        helloTimeout: "1 hour",
        authenticate: (hello) => (++calls === 2 ? Effect.never : byToken(hello))
      }).pipe(Scope.extend(scope))
      const { peer } = yield* join({ token: "ann 20000" })
      yield* peer.say({ type: "token", token: "ann 90000" })
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(World))
  )
})

describe("A principal whose client is away", () => {
  it.scoped("at its expiry keeps its session, and the principal of the return counts", () =>
    Effect.gen(function* () {
      const { ends, gateway, principals } = yield* makeGateway()
      const { peer, welcome } = yield* join({ token: "ann 60000" })
      yield* TestClock.adjust(20_000)
      yield* peer.leave
      yield* TestClock.adjust(80_000)
      assert.deepInclude(yield* gateway.stats, { sessions: 1, connections: 0 })
      const again = yield* join({ token: "ann 160000", ...resumeOf(welcome) })
      assert.deepInclude(again.welcome, { resumed: true })
      assert.deepStrictEqual(yield* principals, [{ id: "ann", expiresAt: 160_000 }])
      yield* TestClock.adjust(29_999)
      assert.lengthOf(lines(again.peer), 0)
      yield* TestClock.adjust(1)
      assert.lengthOf(lines(again.peer), 1)
      yield* TestClock.adjust(29_999)
      assert.isUndefined(again.peer.closed())
      yield* TestClock.adjust(1)
      assert.deepInclude(again.peer.closed() ?? {}, { code: 4401 })
      assert.deepStrictEqual(ends, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("expires as any session does when it does not come back", () =>
    Effect.gen(function* () {
      const { ends } = yield* makeGateway({ resumeWindow: "1 minute" })
      const { peer } = yield* join({ token: "ann 60000" })
      yield* peer.leave
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(ends, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ends, [{ _tag: "Expired" }])
    }).pipe(Effect.provide(World))
  )

  it.scoped("and comes back with an expired token is refused, and may try again", () =>
    Effect.gen(function* () {
      yield* makeGateway()
      const { peer, welcome } = yield* join({ token: "ann 60000" })
      yield* peer.leave
      yield* TestClock.adjust(60_000)
      const refused = yield* greet({ token: "ann 60000", ...resumeOf(welcome) })
      assert.deepInclude(refused.closed() ?? {}, { code: 4401 })
      const again = yield* join({ token: "ann 90000", ...resumeOf(welcome) })
      assert.deepInclude(again.welcome, { resumed: true })
    }).pipe(Effect.provide(World))
  )

  it.scoped("the expiry of a connection that was taken over does not touch the session", () =>
    Effect.gen(function* () {
      const { ends } = yield* makeGateway()
      const { peer, welcome } = yield* join({ token: "ann 60000" })
      const again = yield* join({ token: "ann", ...resumeOf(welcome) })
      assert.deepInclude(peer.closed() ?? {}, { code: 4409 })
      yield* TestClock.adjust(59_000)
      yield* again.peer.say({ type: "ping", id: 1 })
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(ends, [])
      assert.isUndefined(again.peer.closed())
      assert.lengthOf(lines(again.peer), 0)
    }).pipe(Effect.provide(World))
  )

  for (const next of ["ann", "ann 900000"]) {
    it.scoped(`an answer that comes on the next connection ("${next}") is ignored, once`, () =>
      Effect.gen(function* () {
        const { ends, tokens } = yield* makeGateway()
        const { peer, welcome } = yield* join({ token: "ann 20000" })
        assert.lengthOf(lines(peer), 1)
        yield* peer.leave
        const again = yield* join({ token: next, ...resumeOf(welcome) })
        yield* again.peer.say({ type: "token", token: "nobody" })
        assert.isUndefined(again.peer.closed())
        assert.deepStrictEqual(tokens, ["ann 20000", next])
        assert.deepStrictEqual(ends, [])
        yield* again.peer.say({ type: "token", token: "nobody" })
        assert.deepInclude(again.peer.closed() ?? {}, { code: 4400 })
      }).pipe(Effect.provide(World))
    )
  }
})

describe("A client", () => {
  it.scoped("runs its token effect when it is asked, and its session lives on", () =>
    Effect.gen(function* () {
      const { ends, principals, tokens } = yield* makeGateway()
      const token = Effect.map(Clock.currentTimeMillis, (now) => `ann ${now + 60_000}`)
      const client = yield* makeClient({ token })
      yield* TestClock.adjust(29_999)
      assert.deepStrictEqual(tokens, ["ann 60000"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(tokens, ["ann 60000", "ann 90000"])
      assert.deepStrictEqual(yield* principals, [{ id: "ann", expiresAt: 90_000 }])
      yield* TestClock.adjust("10 minutes")
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 1 })
      assert.lengthOf(tokens, 22)
      assert.deepStrictEqual(ends, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("whose token effect fails tries again after 1, 2, 4 … 30 s, tells of it, and succeeds", () =>
    Effect.gen(function* () {
      const { tokens } = yield* makeGateway({ refreshBefore: "5 minutes" })
      const asked: Array<number> = []
      const token = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        asked.push(now)
        if (asked.length === 1 || asked.length === 9) return Effect.succeed(`ann ${600_000 + now}`)
        return asked.length % 2 === 0 ? Effect.fail("no vault") : Effect.die("no vault")
      })
      const client = yield* makeClient({ token })
      const events = yield* collect(client.events)
      yield* TestClock.adjust(300_000)
      yield* TestClock.adjust(120_000)
      const after = asked.slice(1).map((at) => at - 300_000)
      assert.deepStrictEqual(after, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000])
      assert.deepStrictEqual(tokens, ["ann 600000", "ann 991000"])
      const seen = yield* events
      assert.lengthOf(seen, 7)
      for (const event of seen) assert.deepInclude(event, { _tag: "TokenUnavailable" })
      assert.deepInclude(yield* client.status, { _tag: "Ready" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("without a token does nothing, and ends with 4401; its session waits for another client", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({
        authenticate: () => Effect.succeed({ id: "ann", expiresAt: 60_000 })
      })
      const client = yield* makeClient()
      yield* TestClock.adjust(59_999)
      assert.deepInclude(yield* client.status, { _tag: "Ready" })
      yield* TestClock.adjust(1)
      const end = yield* client.ended
      assert.deepInclude(end._tag === "Stopped" ? end.verdict : {}, { why: "NotAuthenticated" })
      assert.deepInclude(yield* gateway.stats, { sessions: 1, connections: 0 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("cut between question and answer greets with a token of its own, and the late one goes nowhere", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { ends, tokens } = yield* makeGateway()
      let runs = 0
      const gate = yield* Deferred.make<void>()
      const token = Effect.suspend(() => {
        const run = ++runs
        return Effect.as(run === 2 ? Deferred.await(gate) : Effect.void, `ann ${run * 60_000}`)
      })
      const client = yield* makeClient({ token, reconnect: oneSecond })
      yield* TestClock.adjust(30_000)
      assert.strictEqual(runs, 2)
      yield* network.cut()
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 2, start: { _tag: "Resumed" } })
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.deepStrictEqual(tokens, ["ann 60000", "ann 180000"])
      yield* TestClock.adjust(118_999)
      // The answer to the next question is a fresh one again.
      assert.deepStrictEqual(tokens, ["ann 60000", "ann 180000"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(tokens, ["ann 60000", "ann 180000", "ann 240000"])
      assert.deepStrictEqual(ends, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("that closes while it looks for a token leaves no fiber behind", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const living = Effect.map(supervisor.value, (fibers) => fibers.length)
      yield* Effect.gen(function* () {
        yield* makeGateway()
        yield* settle
        const before = yield* living
        let runs = 0
        const token = Effect.suspend(() => (++runs === 1 ? Effect.succeed("ann 60000") : Effect.fail("no vault")))
        const scope = yield* Scope.make()
        yield* makeClient({ token }).pipe(Scope.extend(scope))
        yield* TestClock.adjust(35_000)
        assert.strictEqual(runs, 4)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("10 seconds")
        assert.isFalse(yield* isRunning(closing))
        assert.strictEqual(yield* living, before)
      }).pipe(Effect.supervised(supervisor))
    }).pipe(Effect.provide(World))
  )
})
