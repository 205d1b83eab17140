/** Clocks that jump: machines that slept, and what is found out when they wake. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, TestClock } from "effect"
import { HostEvents } from "holdfast"
import { MemoryNetwork, MemoryTransport } from "holdfast/testing"
import * as liveConnection from "../../../src/connection/liveConnection.js"
import { resolve } from "../../../src/connection/Options.js"
import { echoGateway, makeClient, settle, World, withRandom } from "../../support/virtual.js"

/** A clock that can be put forward and back, of which timers take no notice. */
const jumpyClock = Effect.map(Effect.clock, (base) => {
  let ahead = 0
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + ahead,
    unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos() + BigInt(ahead) * 1_000_000n,
    currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + ahead),
    currentTimeNanos: Effect.map(base.currentTimeNanos, (now) => now + BigInt(ahead) * 1_000_000n),
    sleep: (duration) => base.sleep(duration)
  }
  const jump = (millis: number) => {
    ahead += millis
  }
  return { clock, jump }
})

const telling = Effect.gen(function* () {
  const { clock, jump } = yield* jumpyClock
  const told: Array<number> = []
  const listening = HostEvents.clockJumps.listen(() => void told.push(clock.unsafeCurrentTimeMillis()))
  yield* Effect.withClock(listening, clock)
  yield* settle
  return { told, jump }
})

describe("Jumps of the clock", () => {
  it.scoped("are told once each, forwards and backwards, within 5 seconds", () =>
    Effect.gen(function* () {
      const { jump, told } = yield* telling
      for (const [at, by] of [
        [1000, 3_600_000],
        [20_000, -3_600_000],
        [40_000, 2500],
        [60_000, -2500]
      ] as const) {
        const before = told.length
        yield* TestClock.setTime(at)
        jump(by)
        yield* TestClock.adjust(5000)
        assert.lengthOf(told, before + 1, `${by} ms`)
        yield* TestClock.adjust(10_000)
        assert.lengthOf(told, before + 1, `${by} ms, later`)
      }
    })
  )

  it.scoped("are none when time is exact, however long it passes at once, and timers may be a little late", () =>
    Effect.gen(function* () {
      const { jump, told } = yield* telling
      yield* TestClock.adjust("1 hour")
      for (let i = 0; i < 10; i++) {
        jump(1999)
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

  it.scoped("have a client judge at once the silence that its timers have not noticed", () =>
    Effect.gen(function* () {
      yield* echoGateway()
      const { clock, jump } = yield* jumpyClock
      const client = yield* makeClient().pipe(
        Effect.provideService(HostEvents.HostEvents, HostEvents.clockJumps),
        Effect.withClock(clock)
      )
      yield* TestClock.adjust(4000)
      ;(yield* (yield* MemoryNetwork.MemoryNetwork).latest).silence()
      jump(3_600_000)
      yield* TestClock.adjust(999)
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
