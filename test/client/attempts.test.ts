/** A client's attempts to connect: what they wait for is bounded, and another can take the place of one that is under way. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Schedule, Scope, TestClock } from "effect"
import { Client, ConnectionError, Gateway, HostEvents, Listener, Messages, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, echoGateway, isRunning, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const oneSecond = Reconnect.exponential({ jitter: false })

// Not `Effect.never`, whose timer would outlive the tests where it cannot be interrupted.
const never = Effect.async<never>(() => {})

const neverSettles = {
  "that never settles": never,
  "that never settles and cannot be interrupted": Effect.uninterruptible(never)
} as const

/** Yields the first effect once, then the other. */
const once = <A, B>(first: Effect.Effect<A>, then: Effect.Effect<B>) => {
  let runs = 0
  return Effect.suspend((): Effect.Effect<A | B> => (++runs === 1 ? first : then))
}

/** Host events that a test tells of. */
const hostEvents = () => {
  const listeners = new Set<(event: HostEvents.HostEvent) => void>()
  const service: HostEvents.Service = {
    listen: (listener) => Effect.sync(() => void listeners.add(listener))
  }
  return {
    service,
    awake: Effect.zipRight(
      Effect.sync(() => {
        for (const listener of listeners) listener("Awake")
      }),
      settle
    )
  }
}

const reasonOf = (client: TestClient) =>
  Effect.map(client.status, (status) => (status._tag === "Waiting" ? status.reason : undefined))

describe("The wait for an application's effect", () => {
  for (const [what, effect] of Object.entries(neverSettles)) {
    for (const option of ["token", "url", "headers"] as const) {
      it.scoped(`${what}, ${option}, is bounded by tokenTimeout`, () =>
        Effect.gen(function* () {
          yield* echoGateway()
          const values = { token: "ann", url: "memory:", headers: { "x-who": "ann" } }
          const given = { [option]: once(effect, Effect.succeed(values[option])) }
          const client = yield* makeClient({ ...given, tokenTimeout: 3000, reconnect: oneSecond })
          yield* TestClock.adjust(2999)
          assert.deepInclude(yield* client.status, { _tag: "Connecting", attempt: 1 })
          yield* TestClock.adjust(1)
          const reason = yield* reasonOf(client)
          assert.strictEqual(reason?._tag, "TokenUnavailable")
          assert.include(reason?.message, `\`${option}\` has not answered within 3000 ms (tokenTimeout)`)
          yield* TestClock.adjust(1000)
          assert.deepInclude(yield* client.status, { _tag: "Ready" })
        }).pipe(Effect.provide(World))
      )
    }

    it.scoped(`${what} holds up neither close nor the scope's end`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        for (const end of ["close", "scope"] as const) {
          const scope = yield* Scope.make()
          const client = yield* makeClient({ token: effect }).pipe(Scope.extend(scope))
          yield* settle
          const ending = yield* Effect.fork(end === "close" ? client.close : Scope.close(scope, Exit.void))
          yield* settle
          assert.isFalse(yield* isRunning(ending))
          assert.deepInclude(yield* client.status, { _tag: "Ended" })
          yield* Scope.close(scope, Exit.void)
        }
      }).pipe(Effect.provide(World))
    )

    it.scoped(`${what} is bounded when a fresh token is asked for, too`, () =>
      Effect.gen(function* () {
        const tokens: Array<string | undefined> = []
        yield* Gateway.make({
          messages: Messages.json,
          authenticate: ({ token }) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              tokens.push(token)
              return { id: "ann", expiresAt: now + 60_000 }
            }),
          onMessage: () => Effect.void
        })
        let runs = 0
        const token = Effect.suspend(() => (++runs === 2 ? effect : Effect.succeed(`${runs}`)))
        const client = yield* makeClient({ token, tokenTimeout: 3000 })
        const events = yield* collect(client.events)
        yield* TestClock.adjust(30_000)
        assert.deepStrictEqual(yield* events, [])
        yield* TestClock.adjust(3000)
        const [event] = yield* events
        assert.include(event?._tag === "TokenUnavailable" ? event.error.message : "", "tokenTimeout")
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(tokens, ["1", "3"])
        assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 1 })
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("of token and url is for both together, by default as long as connectTimeout", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const client = yield* makeClient({
        token: Effect.delay(Effect.succeed("ann"), 6000),
        url: Effect.delay(Effect.succeed("memory:"), 6000),
        connectTimeout: 7000
      })
      yield* TestClock.adjust(6999)
      assert.deepInclude(yield* client.status, { _tag: "Connecting" })
      yield* TestClock.adjust(1)
      assert.include((yield* reasonOf(client))?.message, "`url` has not answered within 7000 ms")
    }).pipe(Effect.provide(World))
  )

  it.scoped("leaves no more than 8 runs of an effect that cannot be interrupted", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      let runs = 0
      const token = Effect.zipRight(
        Effect.sync(() => void runs++),
        Effect.uninterruptible(never)
      )
      const client = yield* makeClient({ token })
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(runs, 8)
      assert.notStrictEqual((yield* client.status)._tag, "Ended")
    }).pipe(Effect.provide(World))
  )
})

describe("The headers of a client", () => {
  class Vault extends Context.Tag("Vault")<Vault, { readonly ticket: Effect.Effect<string> }>() {}

  it.scoped("may be an effect, which is run for each attempt and may need services", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const seen: Array<unknown> = []
      yield* Gateway.make({
        messages: Messages.json,
        authorizeUpgrade: ({ headers }) => Effect.sync(() => void seen.push(headers["x-ticket"])),
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      })
      let tickets = 0
      const headers = Effect.map(
        Effect.flatMap(Vault, ({ ticket }) => ticket),
        (ticket) => ({ "X-Ticket": ticket })
      )
      const client = yield* Client.make({
        url: "memory:",
        messages: Messages.json,
        headers,
        reconnect: oneSecond
      }).pipe(Effect.provideService(Vault, { ticket: Effect.sync(() => `ticket ${++tickets}`) }))
      yield* client.ready
      yield* network.cut()
      yield* TestClock.adjust(1000)
      yield* client.ready
      assert.deepStrictEqual(seen, ["ticket 1", "ticket 2"])
    }).pipe(Effect.provide(World))
  )
})

/** A client whose first attempt has come so far, and how many attempts it has made. */
const stages = {
  "asking for the token": Effect.gen(function* () {
    yield* echoGateway()
    let runs = 0
    const token = Effect.zipRight(
      Effect.sync(() => void runs++),
      never
    )
    return { options: { token }, attempts: Effect.sync(() => runs) }
  }),
  dialling: Effect.gen(function* () {
    const network = yield* Network
    yield* network.reach({ _tag: "Silent" })
    return { options: {}, attempts: network.dials }
  }),
  greeting: Effect.gen(function* () {
    const network = yield* Network
    const { listen } = yield* Listener.Listener
    // Accepts, and never says a word, nor answers a close.
    yield* listen(({ accept, request }) => {
      Effect.runFork(accept({ protocol: request.protocols[0] ?? "", maxFrame: 1024, closeTimeout: 60_000 }))
    })
    return { options: {}, attempts: network.dials }
  }),
  waiting: Effect.gen(function* () {
    const network = yield* Network
    yield* network.reach({ _tag: "Refused" })
    return { options: {}, attempts: network.dials }
  })
}

describe("A client that is not Ready", () => {
  for (const [stage, make] of Object.entries(stages)) {
    it.scoped(`begins another attempt at once on reconnect, each time, while it is ${stage}`, () =>
      Effect.gen(function* () {
        const { attempts, options } = yield* make
        const client = yield* makeClient(options)
        yield* settle
        for (let n = 1; n <= 3; n++) {
          assert.strictEqual(yield* attempts, n)
          yield* client.reconnect
          yield* settle
        }
        assert.strictEqual(yield* attempts, 4)
      }).pipe(Effect.provide(World))
    )

    it.scoped(
      `begins another attempt when its host is awake: at once, then not before a second has passed, ${stage}`,
      () =>
        Effect.gen(function* () {
          const { attempts, options } = yield* make
          const { awake, service } = hostEvents()
          yield* makeClient({
            ...options,
            reconnect: Reconnect.exponential({ base: "5 minutes", max: "5 minutes" })
          }).pipe(Effect.provideService(HostEvents.HostEvents, service))
          yield* settle
          assert.strictEqual(yield* attempts, 1)
          yield* awake
          assert.strictEqual(yield* attempts, 2)
          for (let i = 0; i < 5; i++) yield* awake
          yield* TestClock.adjust(999)
          assert.strictEqual(yield* attempts, 2)
          yield* TestClock.adjust(1001)
          assert.strictEqual(yield* attempts, 3)
          // All of them are heeded by it.
          yield* TestClock.adjust(2000)
          assert.strictEqual(yield* attempts, 3)
        }).pipe(Effect.provide(World))
    )
  }

  it.scoped("comes to Ready through any storm of Awake, although its way is slow", () =>
    Effect.gen(function* () {
      const { awake, service } = hostEvents()
      yield* echoGateway()
      const token = Effect.delay(Effect.succeed("ann"), 5000)
      const client = yield* makeClient({ token }).pipe(Effect.provideService(HostEvents.HostEvents, service))
      const ready = yield* Effect.fork(client.ready)
      for (let i = 0; i < 120 && (yield* isRunning(ready)); i++) {
        yield* awake
        yield* TestClock.adjust(250)
      }
      assert.isFalse(yield* isRunning(ready))
    }).pipe(Effect.provide(World))
  )

  it.scoped("is left alone once it is Ready", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { awake, service } = hostEvents()
      yield* echoGateway()
      const client = yield* makeClient().pipe(Effect.provideService(HostEvents.HostEvents, service))
      yield* Effect.all([client.ready, client.reconnect, awake])
      yield* TestClock.adjust(3000)
      assert.strictEqual(yield* network.dials, 1)
      assert.deepInclude(yield* client.status, { _tag: "Ready", generation: 1 })
    }).pipe(Effect.provide(World))
  )
})

describe("Credentials that are refused", () => {
  /** Refuses these tokens, and answers so. */
  const gateway = (bad: ReadonlyArray<string>, error: "NotAuthenticated" | "NotAllowed" = "NotAuthenticated") =>
    Effect.gen(function* () {
      const times: Array<number> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: ({ token = "" }) =>
          Effect.flatMap(
            Clock.currentTimeMillis,
            (now): Effect.Effect<Gateway.Principal, ConnectionError.NotAuthenticated | ConnectionError.NotAllowed> => {
              times.push(now)
              return bad.includes(token) ? new ConnectionError[error]({ reason: "no" }) : Effect.succeed({ id: "ann" })
            }
          ),
        onMessage: () => Effect.void
      })
      return times
    })

  const counting = () => {
    let runs = 0
    return Effect.sync(() => `${++runs}`)
  }

  it.scoped("cost one more attempt with a fresh token, after the policy's delay", () =>
    Effect.gen(function* () {
      const times = yield* gateway(["1"])
      const client = yield* makeClient({ token: counting(), reconnect: oneSecond })
      yield* settle
      assert.deepInclude(yield* reasonOf(client), { _tag: "ClosedByPeer", code: 4401 })
      yield* TestClock.adjust(1000)
      yield* client.ready
      assert.deepStrictEqual(times, [0, 1000])
    }).pipe(Effect.provide(World))
  )

  it.scoped("are final the second time in a row, and a Ready between them counts", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const times = yield* gateway(["1", "3", "5", "6"])
      const client = yield* makeClient({ token: counting(), reconnect: oneSecond, stableAfter: 0 })
      for (let ready = 0; ready < 2; ready++) {
        yield* TestClock.adjust(10_000)
        yield* client.ready
        yield* network.cut()
      }
      yield* TestClock.adjust(60_000)
      const end = yield* client.ended
      assert.deepInclude(end._tag === "Stopped" ? end.verdict : {}, { why: "NotAuthenticated" })
      assert.lengthOf(times, 6)
    }).pipe(Effect.provide(World))
  )

  it.scoped("are tried again after a delay, although the policy has none", () =>
    Effect.gen(function* () {
      yield* gateway(["1", "2"])
      const client = yield* makeClient({ token: counting(), reconnect: Schedule.recurs(5) })
      yield* TestClock.adjust(99)
      assert.deepInclude(yield* client.status, { _tag: "Waiting" })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* client.status, { _tag: "Ended" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("are final at once where they are always the same", () =>
    Effect.gen(function* () {
      const times = yield* gateway(["bad"])
      const client = yield* makeClient({ token: "bad" })
      yield* client.ended
      assert.lengthOf(times, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("are final at once with 4403", () =>
    Effect.gen(function* () {
      const times = yield* gateway(["1"], "NotAllowed")
      const client = yield* makeClient({ token: counting() })
      yield* client.ended
      assert.lengthOf(times, 1)
    }).pipe(Effect.provide(World))
  )

  for (const status of [401, 403]) {
    it.scoped(`with HTTP ${status} by the application: ${status === 401 ? "once more" : "final at once"}`, () =>
      Effect.gen(function* () {
        let upgrades = 0
        yield* Gateway.make({
          messages: Messages.json,
          authorizeUpgrade: () => {
            upgrades++
            return new ConnectionError.UpgradeRefused({ status, body: "no" })
          },
          authenticate: Gateway.anonymous,
          onMessage: () => Effect.void
        })
        const headers = Effect.map(counting(), (ticket) => ({ ticket }))
        const client = yield* makeClient({ headers, reconnect: oneSecond })
        yield* TestClock.adjust(60_000)
        const end = yield* client.ended
        assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { status, refusal: "application" })
        assert.strictEqual(upgrades, status === 401 ? 2 : 1)
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("do not cost the session of a client whose token service is away when its principal expires", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: () => Effect.map(Clock.currentTimeMillis, (now) => ({ id: "ann", expiresAt: now + 60_000 })),
        onMessage: () => Effect.void,
        onClose: (_, { _tag }) => Effect.sync(() => void ends.push(_tag))
      })
      const token = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now >= 30_000 && now < 90_000 ? Effect.fail("away") : Effect.succeed("fresh")
      )
      const client = yield* makeClient({ token, reconnect: oneSecond })
      const { session } = yield* client.ready
      yield* TestClock.adjust(60_000)
      assert.deepInclude(yield* reasonOf(client), { _tag: "ClosedByPeer", code: 4401 })
      yield* TestClock.adjust(60_000)
      const ready = yield* client.ready
      assert.deepInclude(ready, { session, generation: 2, start: { _tag: "Resumed" } })
      assert.deepStrictEqual(ends, [])
    }).pipe(Effect.provide(World))
  )
})

describe("An HTTP status in place of a connection", () => {
  const passing = [300, 302, 307, 308, 400, 401, 403, 404, 407, 421, 426, 431, 451, 499, 500, 503]
  const refused = passing.filter((status) => status < 500 && status !== 404)

  const meets = (status: number, wasReady: boolean, refusal?: string) =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* echoGateway()
      if (!wasReady) yield* network.reach({ _tag: "Status", status, body: "", refusal })
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      if (wasReady) {
        yield* network.reach({ _tag: "Status", status, body: "", refusal })
        yield* network.cut()
        yield* TestClock.adjust(1000)
      }
      yield* settle
      const met = yield* client.status
      yield* network.reach({ _tag: "Open" })
      yield* TestClock.adjust(60_000)
      return { met: met._tag, later: (yield* client.status)._tag }
    })

  for (const status of passing) {
    it.scoped(`passes by itself for a client that has been Ready: ${status}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* meets(status, true), { met: "Waiting", later: "Ready" })
      }).pipe(Effect.provide(World))
    )
  }
  for (const status of refused) {
    it.scoped(`is final where the gateway says that it is its own: ${status}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* meets(status, true, "origin"), { met: "Ended", later: "Ended" })
      }).pipe(Effect.provide(World))
    )
    it.scoped(`is final for a client that never was Ready: ${status}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* meets(status, false), { met: "Ended", later: "Ended" })
      }).pipe(Effect.provide(World))
    )
  }
})

describe("A URL that nothing can be reached by", () => {
  const impossible = [
    "",
    "/socket",
    "example.com",
    "//example.com",
    "http://example.com",
    "https://example.com",
    "ftp://example.com",
    "ws://",
    "wss:///",
    "ws://example.com:99999",
    "ws://exa mple.com",
    "ws://[::1",
    "ws://example.com/#part",
    "ws://example.com/#"
  ]
  for (const url of impossible) {
    it.scoped(`is refused when the client is made: ${JSON.stringify(url)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(makeClient({ url }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "url" })
        assert.include(error.message, "a URL of ws: or wss:")
      }).pipe(Effect.provide(World))
    )

    it.scoped(`is a failed attempt where an effect yields it, and the next may be right: ${JSON.stringify(url)}`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const client = yield* makeClient({
          url: once(Effect.succeed(url), Effect.succeed("ws://server/")),
          reconnect: oneSecond
        })
        yield* settle
        assert.deepInclude(yield* reasonOf(client), { _tag: "DialFailed" })
        yield* TestClock.adjust(1000)
        assert.deepInclude(yield* client.status, { _tag: "Ready" })
      }).pipe(Effect.provide(World))
    )
  }

  for (const url of [
    "http://ann:hunter2@example.com/?token=hunter2",
    "ws://ann:hunter2@example.com:99999/#hunter2",
    "//ann:hun/hunter2@example.com",
    "ws://ann:p?hunter2@example.com/",
    "http://example.com/?token=a@hunter2",
    "http://example.com#a@hunter2"
  ]) {
    it.scoped(`is named without its secrets: ${url}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(makeClient({ url }))
        assert.notInclude(error.message, "hunter2")
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("is not among these", () =>
    Effect.gen(function* () {
      for (const url of [
        "ws://example.com",
        "WSS://example.com:8443/a?b=c",
        "ws://[::1]:1/",
        "memory:",
        "ws://ann:b@host/"
      ]) {
        const scope = yield* Scope.make()
        const client = yield* makeClient({ url }).pipe(Scope.extend(scope))
        yield* Effect.forkDaemon(Scope.close(scope, Exit.void)).pipe(Effect.flatMap(Fiber.join))
        assert.deepInclude(yield* client.status, { _tag: "Ended" })
      }
    }).pipe(Effect.provide(World))
  )
})
