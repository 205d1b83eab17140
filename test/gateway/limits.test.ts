/** Limits on connections and sessions: at the value it works, one above is refused, and the counts never leak. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { ConnectionError, Dialer, Gateway, Listener, Messages, Reconnect, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { dial, greet, join, resumeOf } from "../support/peer.js"
import { collect, makeClient, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const oneSecond = Reconnect.exponential({ jitter: false })

type GatewayOptions = Gateway.GatewayOptions<unknown, unknown, Gateway.Principal>

const makeGateway = (options?: Partial<GatewayOptions>) =>
  Gateway.make({
    messages: Messages.json,
    authenticate: ({ token = "ann" }) => Effect.succeed({ id: token }),
    onMessage: () => Effect.void,
    ...options
  })

/** Upgrades that come from these addresses, one after the other, and from the last for ever. */
const from = (...addresses: ReadonlyArray<string>) =>
  Effect.updateService(Listener.Listener, (listener) => {
    let at = 0
    return {
      ...listener,
      listen: (handler) =>
        listener.listen((incoming) => {
          const address = addresses[Math.min(at++, addresses.length - 1)] ?? ""
          handler({ ...incoming, request: { ...incoming.request, address } })
        })
    }
  })

const busy = {
  _tag: "DialRefused",
  status: 503,
  body: "this gateway holds 2 connections already",
  retryAfter: 5000
} as const
const crowded = {
  _tag: "DialRefused",
  status: 429,
  body: "there are 2 connections from this address already",
  retryAfter: 5000
} as const

/** While it is true, what was made by `first` fails. */
let faulty = false
const first =
  <E>(fault: () => Effect.Effect<void, E>) =>
  (): Effect.Effect<Gateway.Principal, E> =>
    Effect.suspend(() => (faulty ? Effect.as(fault(), { id: "ann" }) : Effect.succeed({ id: "ann" })))

/** There is room for just two connections: none is counted that is gone. */
const roomForTwo = Effect.gen(function* () {
  const peers = [yield* dial, yield* dial]
  assert.deepInclude(yield* Effect.flip(dial), busy)
  for (const peer of peers) yield* peer.leave
})

describe("maxConnections", () => {
  it.scoped("that many are accepted, those without a hello included; one more is answered 503", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxConnections: 2 })
      const { peer } = yield* join()
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), busy)
      assert.strictEqual((yield* gateway.stats).connections, 2)
      yield* peer.leave
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), busy)
    }).pipe(Effect.provide(World))
  )

  it.scoped("counts upgrades that are still being examined", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* makeGateway({ maxConnections: 2, authorizeUpgrade: () => Deferred.await(gate) })
      const waiting = [yield* Effect.fork(dial), yield* Effect.fork(dial)]
      yield* settle
      assert.deepInclude(yield* Effect.flip(dial), busy)
      yield* Deferred.succeed(gate, undefined)
      for (const fiber of waiting) yield* Fiber.join(fiber)
      assert.deepInclude(yield* Effect.flip(dial), busy)
    }).pipe(Effect.provide(World))
  )

  it.scoped("a client comes back when it is told to", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxConnections: 1 })
      const peer = yield* dial
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 5000 })
      yield* peer.leave
      yield* TestClock.adjust(4999)
      assert.deepInclude(yield* client.status, { _tag: "Waiting" })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* client.status, { _tag: "Ready" })
    }).pipe(Effect.provide(World))
  )

  /** Options that fail while there is a fault, and work afterwards. */
  const leaks: ReadonlyArray<
    readonly [
      string,
      Partial<GatewayOptions>,
      Effect.Effect<unknown, unknown, Scope.Scope | Dialer.Dialer | MemoryNetwork.MemoryNetwork>
    ]
  > = [
    [
      "upgrades that are refused",
      { authorizeUpgrade: first(() => new ConnectionError.UpgradeRefused({ status: 401, body: "no" })) },
      dial
    ],
    ["upgrades that are examined with a defect", { authorizeUpgrade: first(() => Effect.die("a defect")) }, dial],
    [
      "upgrades that are not known",
      {},
      Effect.flatMap(Dialer.Dialer, (dialer) =>
        dialer.dial({ url: "memory:", protocols: ["mqtt"], maxFrame: 1000, closeTimeout: 1000 })
      )
    ],
    [
      "clients that have gone when the upgrade is accepted",
      { authorizeUpgrade: first(() => Effect.sleep(100)) },
      Effect.zipRight(Effect.timeout(dial, 50), Effect.sleep(100))
    ],
    ["examinations that take too long", { authorizeUpgrade: first(() => Effect.never) }, dial],
    ["clients that say no hello", {}, Effect.zipRight(dial, Effect.sleep(6000))],
    ["clients that break the protocol", {}, Effect.flatMap(dial, (peer) => peer.say("what?"))],
    [
      "clients that leave while they are authenticated",
      { authenticate: first(() => Effect.never) },
      Effect.flatMap(greet(), (peer) => peer.leave)
    ],
    [
      "clients that are not let in",
      { authenticate: first(() => new ConnectionError.NotAllowed({ reason: "no" })) },
      greet()
    ],
    ["clients whose authentication dies", { authenticate: first(() => Effect.die("a defect")) }, greet()],
    [
      "clients that are cut off",
      {},
      Effect.zipRight(
        join(),
        Effect.flatMap(Network, (network) => network.cut())
      )
    ]
  ]
  for (const [name, options, happens] of leaks) {
    it.scoped(`does not count ${name}`, () =>
      Effect.gen(function* () {
        faulty = true
        yield* makeGateway({ maxConnections: 2, ...options })
        const fiber = yield* Effect.fork(Effect.exit(Effect.repeatN(Effect.exit(happens), 4)))
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.join(fiber)
        faulty = false
        yield* roomForTwo
        yield* roomForTwo
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("does not count what it refused", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxConnections: 2 })
      const peers = [yield* dial, yield* dial]
      for (let i = 0; i < 5; i++) yield* Effect.flip(dial)
      for (const peer of peers) yield* peer.leave
      yield* roomForTwo
    }).pipe(Effect.provide(World))
  )
})

describe("Holdfast-Refusal says of a refused upgrade that the gateway", () => {
  const refused = (word: string) => ({ _tag: "DialRefused", status: 503, refusal: word }) as const

  it.scoped("has enough `connections`", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxConnections: 1 })
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), refused("connections"))
    }).pipe(Effect.provide(World))
  )

  it.scoped("has looked at it until the `timeout`", () =>
    Effect.gen(function* () {
      yield* makeGateway({ authorizeUpgrade: () => Effect.never, helloTimeout: "5 seconds" })
      const dialling = yield* Effect.fork(Effect.flip(dial))
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* Fiber.join(dialling), refused("timeout"))
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends while it is looked at, for a `restart`", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.extend(makeGateway({ authorizeUpgrade: () => Effect.never }), scope)
      const dialling = yield* Effect.fork(Effect.flip(dial))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.deepInclude(yield* Fiber.join(dialling), refused("restart"))
    }).pipe(Effect.provide(World))
  )
})

describe("maxConnectionsPerAddress", () => {
  it.scoped("that many are accepted from one address; one more is answered 429", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxConnectionsPerAddress: 2 })
      const { peer } = yield* join()
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), crowded)
      yield* peer.leave
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), crowded)
    }).pipe(Effect.provide(World))
  )

  it.scoped("counts an IPv4 address, and the /64 of an IPv6 address, as one", () =>
    Effect.gen(function* () {
      const addresses = ["10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:0:1:2:3:4", "2001:db8:0:1::1"]
      yield* makeGateway({ maxConnectionsPerAddress: 2 }).pipe(
        from(...addresses, "10.0.0.1", "2001:db8::", "10.0.0.2", "10.0.0.2")
      )
      for (const _ of addresses) yield* dial
      assert.deepInclude(yield* Effect.flip(dial), crowded)
      assert.deepInclude(yield* Effect.flip(dial), crowded)
      yield* dial
      assert.deepInclude(yield* Effect.flip(dial), crowded)
    }).pipe(Effect.provide(World))
  )
})

const tooMany = "there are 2 sessions of this principal already"

describe("maxSessionsPerPrincipal", () => {
  it.scoped("that many are created, away or not; one more is told to come back in 5 s, with 4429", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 2 })
      const { peer } = yield* join({ token: "ann" })
      yield* join({ token: "ann" })
      yield* peer.leave
      const refused = yield* greet({ token: "ann" })
      assert.deepStrictEqual(refused.said("goaway"), [{ type: "goaway", retryAfter: 5000, reason: tooMany }])
      assert.deepStrictEqual(refused.closed(), { code: 4429, reason: tooMany })
      yield* join({ token: "bob" })
      assert.strictEqual((yield* gateway.stats).sessions, 3)
    }).pipe(Effect.provide(World))
  )

  it.scoped("a client waits 5 s, and gets in when one has ended", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 1 })
      const { peer } = yield* join()
      const client = yield* makeClient({ reconnect: oneSecond })
      const events = yield* collect(client.events)
      yield* settle
      assert.deepInclude(yield* client.status, { _tag: "Waiting", delay: 5000 })
      yield* peer.say({ type: "bye" })
      assert.strictEqual((yield* gateway.stats).sessions, 0)
      yield* TestClock.adjust(5000)
      assert.deepInclude(yield* client.status, { _tag: "Ready" })
      assert.lengthOf(yield* events, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("a session that exists is resumed always, from the store included", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* makeGateway({ drainTimeout: 0 }).pipe(Scope.extend(scope))
      const first = yield* join()
      yield* first.peer.leave
      yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(1000)
      const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 1 })
      const second = yield* join()
      yield* second.peer.leave
      const back = yield* join(resumeOf(second.welcome))
      assert.deepInclude(back.welcome, { resumed: true })
      const moved = yield* join(resumeOf(first.welcome))
      assert.deepInclude(moved.welcome, { resumed: true })
      assert.strictEqual((yield* gateway.stats).sessions, 2)
      // One has to go before the other is at the limit, and both before there is room.
      yield* moved.peer.say({ type: "bye" })
      assert.deepInclude((yield* greet()).closed() ?? {}, { code: 4429 })
      yield* back.peer.say({ type: "bye" })
      yield* join()
    }).pipe(Effect.provide(World))
  )

  it.scoped("a session that is lost counts like a new one", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxSessionsPerPrincipal: 1 })
      const { welcome } = yield* join()
      const peer = yield* greet({ resume: { ...resumeOf(welcome).resume, session: "another" } })
      assert.deepInclude(peer.closed() ?? {}, { code: 4429 })
    }).pipe(Effect.provide(World))
  )

  const late = (answer: (store: SessionStore.SessionStore["Type"]) => SessionStore.SessionStore["Type"]["create"]) =>
    Effect.provideServiceEffect(
      SessionStore.SessionStore,
      Effect.map(SessionStore.makeMemory(), (store) => ({ ...store, create: answer(store) }))
    )

  it.scoped("counts those that are being created", () =>
    Effect.gen(function* () {
      yield* makeGateway({ maxSessionsPerPrincipal: 2 }).pipe(
        late((store) => (session) => Effect.delay(store.create(session), 1000))
      )
      const peers = [yield* greet(), yield* greet()]
      assert.deepStrictEqual((yield* greet()).closed(), { code: 4429, reason: tooMany })
      yield* TestClock.adjust(1000)
      for (const peer of peers) assert.lengthOf(peer.said("welcome"), 1)
      assert.deepStrictEqual((yield* greet()).closed(), { code: 4429, reason: tooMany })
    }).pipe(Effect.provide(World))
  )

  it.scoped("does not count those whose creation failed, or whose client had gone", () =>
    Effect.gen(function* () {
      let fails = true
      const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 2 }).pipe(
        late(
          (store) => (session) =>
            Effect.suspend(() =>
              fails
                ? new ConnectionError.StoreUnavailable({ cause: "away" })
                : Effect.delay(store.create(session), 1000)
            )
        )
      )
      for (let i = 0; i < 3; i++) assert.deepInclude((yield* greet()).closed() ?? {}, { code: 1013 })
      fails = false
      for (let i = 0; i < 3; i++) {
        const peer = yield* greet()
        yield* peer.leave
        yield* TestClock.adjust(1000)
      }
      assert.strictEqual((yield* gateway.stats).sessions, 0)
      const peers = [yield* greet(), yield* greet()]
      yield* TestClock.adjust(1000)
      for (const peer of peers) assert.lengthOf(peer.said("welcome"), 1)
      assert.deepInclude((yield* greet()).closed() ?? {}, { code: 4429 })
    }).pipe(Effect.provide(World))
  )

  const ends: Record<string, (gateway: Gateway.Gateway<unknown>) => Effect.Effect<unknown, unknown>> = {
    "session.end": (gateway) =>
      Effect.flatMap(gateway.sessions, (sessions) => Effect.forEach(sessions, (session) => session.end("enough"))),
    disconnect: (gateway) => gateway.disconnect({ principal: "ann" }),
    "the resume window": () => TestClock.adjust("10 minutes")
  }
  for (const [name, end] of Object.entries(ends)) {
    it.scoped(`what ended by ${name} is not counted`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ maxSessionsPerPrincipal: 2 })
        for (let round = 0; round < 3; round++) {
          const peers = [yield* join(), yield* join()]
          for (const { peer } of peers) yield* peer.leave
          assert.deepInclude((yield* greet()).closed() ?? {}, { code: 4429 })
          yield* end(gateway)
          yield* settle
          assert.strictEqual((yield* gateway.stats).sessions, 0)
        }
      }).pipe(Effect.provide(World))
    )
  }
})
