/** A connection whose platform reads only after it has looked at what is late. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import type { Transport } from "holdfast"
import { Suspicion } from "../../src/connection/live/suspicion.js"
import * as liveConnection from "../../src/connection/liveConnection.js"
import * as timerQueue from "../../src/connection/timerQueue.js"

const deadline = 60_000

const lost = { code: 1006, reason: "", clean: false, cause: undefined }

const nobody = { message: () => {}, drained: () => {}, ended: () => {} }

/** A connection that is watched, and what its transport has put off. */
const watched = Effect.gen(function* () {
  let later: Array<() => void> = []
  const transport: Transport.Transport = {
    protocol: "",
    remoteAddress: "peer",
    run: () => {},
    send: () => {},
    ping: () => {},
    pong: () => {},
    close: () => {},
    destroy: () => live.closed(lost),
    pause: () => {},
    resume: () => {},
    buffered: () => 0,
    accepted: () => 0,
    afterReads: (then) => void later.push(then)
  }
  const live = yield* liveConnection.make(transport, { writeDeadline: 1000, closeTimeout: 1000, highWaterMark: 1000 })
  live.open(nobody)
  live.keepAlive({ heartbeatInterval: 1000 * deadline, readDeadline: deadline }, 1)
  const read = Effect.sync(() => {
    const all = later
    later = []
    for (const one of all) one()
    return all.length
  })
  return { live, read }
})

const isDead = (live: liveConnection.LiveConnection) => live.end?._tag === "ReadDeadlineExceeded"

describe("A connection whose deadline is over before what has come was read", () => {
  it.scoped("is dead if that was nothing", () =>
    Effect.gen(function* () {
      const { live, read } = yield* watched
      yield* TestClock.adjust(deadline)
      assert.isUndefined(live.end)
      assert.strictEqual(yield* read, 1)
      assert.isTrue(isDead(live))
    })
  )

  it.scoped("lives if something had come, and is watched from then on", () =>
    Effect.gen(function* () {
      const { live, read } = yield* watched
      yield* TestClock.adjust(deadline)
      live.message("late")
      yield* read
      yield* TestClock.adjust(deadline - 1)
      assert.strictEqual(yield* read, 0)
      assert.isUndefined(live.end)
      yield* TestClock.adjust(1)
      yield* read
      assert.isTrue(isDead(live))
    })
  )

  it.scoped("is not judged while this end does not read", () =>
    Effect.gen(function* () {
      const { live, read } = yield* watched
      yield* TestClock.adjust(deadline)
      live.pause()
      yield* read
      yield* TestClock.adjust(deadline)
      assert.isUndefined(live.end)
      live.resume()
      yield* TestClock.adjust(deadline)
      yield* read
      assert.isTrue(isDead(live))
    })
  )

  it.scoped("ends, and takes nobody along, when judging it throws", () =>
    Effect.gen(function* () {
      const { live, read } = yield* watched
      live.handOver({
        ...nobody,
        ended: () => {
          throw new Error("a defect")
        }
      })
      yield* TestClock.adjust(deadline)
      yield* read
      assert.isTrue(isDead(live))
    })
  )
})

describe("A connection whose ping is unanswered before what has come was read", () => {
  const after = 10_000

  /** Pings at once; `told` is what was said of it. */
  const suspected = Effect.gen(function* () {
    const { live, read } = yield* watched
    const told: Array<boolean> = []
    const timers = yield* timerQueue.make
    live.suspicion = new Suspicion(live, after, timers, (isSuspect) => told.push(isSuspect))
    live.beat()
    // Nobody waits for a close handshake.
    yield* Effect.addFinalizer(() => Effect.sync(() => live.closed(lost)))
    return { live, read, told }
  })

  it.scoped("is suspect if that was nothing", () =>
    Effect.gen(function* () {
      const { read, told } = yield* suspected
      yield* TestClock.adjust(after)
      assert.deepStrictEqual(told, [])
      assert.strictEqual(yield* read, 1)
      assert.deepStrictEqual(told, [true])
    })
  )

  it.scoped("is not if something had come", () =>
    Effect.gen(function* () {
      const { live, read, told } = yield* suspected
      yield* TestClock.adjust(after)
      live.message("late")
      yield* read
      assert.deepStrictEqual(told, [])
      live.beat()
      yield* TestClock.adjust(after)
      yield* read
      assert.deepStrictEqual(told, [true])
    })
  )

  it.scoped("is not while this end does not read, nor for what was asked before it reads again", () =>
    Effect.gen(function* () {
      const { live, read, told } = yield* suspected
      yield* TestClock.adjust(after)
      yield* read
      assert.isTrue(live.isUnansweredFor(after))
      live.pause()
      assert.deepStrictEqual(told, [true, false])
      assert.isFalse(live.isUnansweredFor(after))
      live.beat()
      yield* TestClock.adjust(after)
      yield* read
      live.resume()
      assert.isFalse(live.isUnansweredFor(after))
      assert.deepStrictEqual(told, [true, false])
    })
  )

  it.scoped("is not once it has ended", () =>
    Effect.gen(function* () {
      const { live, read, told } = yield* suspected
      yield* TestClock.adjust(after)
      live.closed(lost)
      yield* read
      assert.deepStrictEqual(told, [])
    })
  )
})
