/** Clocks that jump: machines that slept, and what is found out when they wake. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Scope, TestClock } from "effect"
import { MemoryNetwork, MemoryTransport } from "holdfast/testing"
import * as liveConnection from "../../src/connection/liveConnection.js"
import * as machineSleep from "../../src/connection/machineSleep.js"
import { resolve } from "../../src/connection/Options.js"
import { collect, echoGateway, makeClient, settle, statusTags, World, withRandom } from "../support/virtual.js"

/**
 * The clock of a machine that is set (`set`: its wall time alone goes forward or back), or sleeps (`jump`: both go forward, as on
 * systems that count it). Timers take no notice.
 */
const jumpyClock = Effect.map(Effect.clock, (base) => {
  let ahead = 0
  let slept = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + slept + ahead,
    unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos() + BigInt(slept) * 1_000_000n,
    currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + slept + ahead),
    currentTimeNanos: Effect.map(base.currentTimeNanos, (now) => now + BigInt(slept) * 1_000_000n),
    sleep: (duration) => base.sleep(duration)
  }
  const set = (millis: number) => {
    ahead += millis
  }
  const jump = (millis: number) => {
    slept += millis
  }
  return { clock, jump, set }
})

const telling = Effect.gen(function* () {
  const { clock, jump, set } = yield* jumpyClock
  const told: Array<number> = []
  const listening = machineSleep.watch(() => void told.push(clock.unsafeCurrentTimeMillis()))
  yield* Effect.withClock(listening, clock)
  yield* settle
  return { told, jump, set }
})

describe("Jumps of the clock", () => {
  it.scoped("are told once each, forwards and backwards, within 5 seconds, and so is sleep", () =>
    Effect.gen(function* () {
      const { jump, set, told } = yield* telling
      for (const [at, how, by] of [
        [1000, set, 3_600_000],
        [20_000, set, -3_600_000],
        [40_000, set, 2500],
        [60_000, set, -2500],
        [80_000, jump, 3_600_000],
        [100_000, jump, 2500]
      ] as const) {
        const before = told.length
        yield* TestClock.setTime(at)
        how(by)
        yield* TestClock.adjust(5000)
        assert.lengthOf(told, before + 1, `${by} ms`)
        yield* TestClock.adjust(10_000)
        assert.lengthOf(told, before + 1, `${by} ms, later`)
      }
    })
  )

  it.scoped("are none when time is exact, however long it passes at once, and timers may be a little late", () =>
    Effect.gen(function* () {
      const { jump, set, told } = yield* telling
      yield* TestClock.adjust("1 hour")
      for (let i = 0; i < 10; i++) {
        jump(1999)
        yield* TestClock.adjust(5000)
        // As a clock that is slewed may.
        set(i % 2 === 0 ? 1999 : -1999)
        yield* TestClock.adjust(5000)
      }
      assert.deepStrictEqual(told, [])
    })
  )

  it.effect("are told to nobody after the scope has closed", () =>
    Effect.gen(function* () {
      const { jump, told } = yield* Effect.scoped(telling)
      jump(60_000)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, [])
      assert.lengthOf(yield* TestClock.sleeps(), 0)
    })
  )

  it.scoped("are looked for by one fiber, whoever of those who watch goes first", () =>
    Effect.gen(function* () {
      const { clock, set } = yield* jumpyClock
      const told: Array<string> = []
      const watching = (name: string) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const watched = machineSleep.watch(() => void told.push(name))
          yield* Scope.extend(Effect.withClock(watched, clock), scope)
          return scope
        })
      const [one, two, three] = [yield* watching("one"), yield* watching("two"), yield* watching("three")]
      yield* settle
      assert.lengthOf(yield* TestClock.sleeps(), 1)
      yield* TestClock.adjust(3000)
      set(60_000)
      yield* Scope.close(one, Exit.void)
      yield* TestClock.adjust(1999)
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(told, ["two", "three"])
      assert.lengthOf(yield* TestClock.sleeps(), 1)
      yield* Scope.close(three, Exit.void)
      set(60_000)
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(told, ["two", "three", "two"])
      yield* Scope.close(two, Exit.void)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, ["two", "three", "two"])
      assert.lengthOf(yield* TestClock.sleeps(), 0)
    })
  )

  it.scoped(
    "have a client judge the silence that its timers have not noticed, within a second that its timers have not noticed",
    () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { clock, jump } = yield* jumpyClock
        const client = yield* Effect.withClock(makeClient(), clock)
        yield* TestClock.adjust(4000)
        ;(yield* (yield* MemoryNetwork.MemoryNetwork).latest).silence()
        jump(3_600_000)
        yield* TestClock.adjust(1000 + 899)
        assert.strictEqual((yield* client.status)._tag, "Ready")
        yield* TestClock.adjust(1)
        const status = yield* client.status
        assert.deepInclude(status._tag === "Waiting" ? status.reason : status, {
          _tag: "ReadDeadlineExceeded",
          lastActivity: 0,
          deadline: 60_000
        })
      }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

describe("A client whose machine has slept", () => {
  it.scoped("is not suspect for the time that it slept: its server has not been asked yet", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { clock, jump } = yield* jumpyClock
      const client = yield* Effect.withClock(makeClient(), clock)
      yield* client.ready
      const statuses = yield* collect(client.changes)
      jump(40_000)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(statusTags(yield* statuses), ["Ready"])
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

/** Whatever the two clocks say: it is asked, and has to answer. */
describe("A client whose clock was set", () => {
  for (const by of [3_600_000, -3_600_000]) {
    it.scoped(`by ${by} ms asks its server, which answers, and goes on`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { clock, set } = yield* jumpyClock
        const client = yield* Effect.withClock(makeClient(), clock)
        const { generation } = yield* client.ready
        const link = yield* (yield* MemoryNetwork.MemoryNetwork).latest
        yield* TestClock.adjust(4000)
        const before = link.pings("client")
        set(by)
        yield* TestClock.adjust(1000 + 899)
        assert.strictEqual(link.pings("client"), before)
        yield* TestClock.adjust(1)
        assert.strictEqual(link.pings("client"), before + 1)
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* client.ready).generation, generation)
      }).pipe(withRandom(0.9), Effect.provide(World))
    )

    it.scoped(`by ${by} ms finds within helloTimeout that its server is gone`, () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const { clock, set } = yield* jumpyClock
        const client = yield* Effect.withClock(makeClient(), clock)
        yield* client.ready
        yield* TestClock.adjust(4000)
        ;(yield* (yield* MemoryNetwork.MemoryNetwork).latest).silence()
        set(by)
        yield* TestClock.adjust(1000 + 900 + 4999)
        assert.strictEqual((yield* client.status)._tag, "Ready")
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* client.status)._tag, "Waiting")
      }).pipe(withRandom(0.9), Effect.provide(World))
    )
  }
})

describe("A gateway whose machine has slept", () => {
  it.scoped("has each of its peers answer, spread over a second, and finds those that are gone", () =>
    Effect.gen(function* () {
      const { clock, set } = yield* jumpyClock
      const { gateway } = yield* Effect.withClock(echoGateway(), clock)
      const network = yield* MemoryNetwork.MemoryNetwork
      const clients: Array<{ readonly link: MemoryTransport.Link }> = []
      for (let i = 0; i < 40; i++) {
        const client = yield* makeClient()
        yield* client.ready
        clients.push({ link: yield* network.latest })
      }
      const pinged = () => clients.reduce((sum, { link }) => sum + link.pings("server"), 0)
      clients[7]?.link.silence()
      yield* TestClock.adjust(4000)
      const before = pinged()
      set(-60_000)
      yield* TestClock.adjust(999)
      assert.strictEqual(pinged(), before)
      for (let slice = 1; slice <= 20; slice++) {
        yield* TestClock.adjust(slice === 1 ? 1 : 50)
        assert.strictEqual(pinged(), before + 2 * slice, "a few at a time")
      }
      yield* TestClock.adjust(5000)
      assert.strictEqual((yield* gateway.stats).connections, 39)
      assert.strictEqual((yield* gateway.stats).sessions, 40)
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

const opened = (options?: MemoryTransport.LinkOptions) =>
  Effect.gen(function* () {
    const { clock, jump } = yield* jumpyClock
    const link = MemoryTransport.link(options)
    const live = yield* Effect.withClock(liveConnection.make(link.client, yield* resolve()), clock)
    const quiet = { message() {}, ping() {}, pong() {}, congested() {}, drained() {}, closed() {} }
    link.server.run(quiet)
    live.open({ message() {}, drained() {}, ended() {} })
    yield* Effect.addFinalizer(() => Effect.sync(() => link.cut()))
    return { live, link, jump }
  })

describe("A connection that is to be judged", () => {
  it.scoped("is not while this end has paused it", () =>
    Effect.gen(function* () {
      const { jump, link, live } = yield* opened()
      live.pause()
      jump(3_600_000)
      live.probe(60_000, 5000)
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(live.end)
      assert.strictEqual(link.pings("client"), 0)
      live.resume()
      live.probe(60_000, 5000)
      live.pause()
      yield* TestClock.adjust(5000)
      assert.isUndefined(live.end, "what it was asked may wait unread")
    })
  )

  it.scoped("is not asked where it cannot be, and is judged by its silence alone", () =>
    Effect.gen(function* () {
      const { jump, link, live } = yield* opened({ clientPings: false })
      live.probe(60_000, 5000)
      yield* TestClock.adjust("50 seconds")
      assert.isUndefined(live.end as unknown)
      assert.strictEqual(link.pings("client"), 0)
      jump(10_000)
      live.probe(60_000, 5000)
      assert.deepInclude(live.end, { _tag: "ReadDeadlineExceeded", lastActivity: 0, deadline: 60_000 })
    })
  )

  it.scoped("is dead at once when it was silent for too long, although it was asked before", () =>
    Effect.gen(function* () {
      const { jump, live } = yield* opened()
      live.probe(60_000, 5000)
      yield* TestClock.adjust(1000)
      jump(3_600_000)
      live.probe(60_000, 5000)
      assert.deepInclude(live.end, { _tag: "ReadDeadlineExceeded", deadline: 60_000 })
    })
  )

  for (const answer of ["message", "ping", "pong"] as const) {
    it.scoped(`lives when a ${answer} comes in the last millisecond`, () =>
      Effect.gen(function* () {
        const { link, live } = yield* opened()
        live.probe(60_000, 5000)
        yield* TestClock.adjust(4999)
        if (answer === "message") link.server.send("x")
        else link.server[answer]?.(new Uint8Array(4))
        yield* settle
        yield* TestClock.adjust("30 seconds")
        assert.isUndefined(live.end)
      })
    )
  }
})
