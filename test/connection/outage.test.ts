/** Services that are away: when they are asked again, and what the log says of it. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, TestClock } from "effect"
import { ConnectionError } from "holdfast"
import { Outage } from "../../src/connection/outage.js"
import { range } from "../support/topics.js"

describe("An operation on a service that is away", () => {
  it.effect(
    "is tried again after 100 ms, twice that and so on, at most 5 s, each time anew, and never when it is refused",
    () =>
      Effect.gen(function* () {
        const asked: Array<number> = []
        const away = Effect.flatMap(Clock.currentTimeMillis, (now) => {
          asked.push(now)
          return Effect.fail(new ConnectionError.BrokerUnavailable({ cause: "away" }))
        })
        const start = yield* Clock.currentTimeMillis
        const asking = new Outage().retry(away, "BrokerUnavailable")
        const fiber = yield* Effect.fork(asking)
        yield* TestClock.adjust("16 seconds")
        yield* Fiber.interrupt(fiber)
        const times = [0, 100, 300, 700, 1500, 3100, 6300, 11_300]
        assert.deepStrictEqual(
          asked.map((at) => at - start),
          times
        )
        asked.length = 0
        const again = yield* Effect.fork(asking)
        yield* TestClock.adjust(300)
        yield* Fiber.interrupt(again)
        assert.strictEqual(asked.length, 3)
        const reused = new ConnectionError.KeyReused({ topic: "t", key: "k" })
        assert.strictEqual(yield* Effect.flip(new Outage().retry(Effect.fail(reused), "BrokerUnavailable")), reused)
      })
  )
})

describe("What waits for a service that is away", () => {
  it.effect("is said in the log: at once, and every half a minute for all that wait", () => {
    const lines: Array<string> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => void lines.push(String(message)))
    )
    return Effect.gen(function* () {
      const outage = new Outage()
      let isAway = true
      const ask = Effect.suspend(() =>
        isAway ? Effect.fail(new ConnectionError.BrokerUnavailable({ cause: new Error("gone") })) : Effect.void
      )
      const asking = yield* Effect.forEach(range(1, 17), () => Effect.fork(outage.retry(ask, "BrokerUnavailable")))
      yield* TestClock.adjust(29_000)
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /^holdfast: the broker failed: gone: an operation waits/)
      yield* TestClock.adjust(60_000)
      assert.lengthOf(lines, 3)
      assert.match(lines[1] ?? "", /: 17 operations wait; asked again until it is done$/)
      isAway = false
      yield* TestClock.adjust(5000)
      yield* Fiber.joinAll(asking)
      yield* TestClock.adjust(60_000)
      assert.lengthOf(lines, 3)
    }).pipe(Effect.provide(logger))
  })
})
