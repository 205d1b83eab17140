/** The idle timeout of a proxy, recognised at both ends by what it does to connections. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"
import { type Options, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { IdleTimeout, type Lost, ofMany, ofOne } from "../../src/connection/live/idleTimeout.js"
import { dial, join } from "../support/peer.js"
import { echoGateway, makeClient, settle, World, withRandom } from "../support/virtual.js"

const interval = 120_000
const beating = { heartbeatInterval: interval, readDeadline: 2 * interval } satisfies Options.All

const lossOf = (silence: number, more?: Partial<Lost>): Lost => ({ silence, endured: 0, interval, ...more })

/** What is found at each of these losses, a minute apart. */
const foundAt = (evidence: typeof ofOne, losses: ReadonlyArray<Lost>) => {
  const judge = new IdleTimeout(evidence)
  return losses.map((loss, at) => judge.lost(loss, at * 60_000))
}

const isFound = (evidence: typeof ofOne, losses: ReadonlyArray<Lost>) =>
  foundAt(evidence, losses).some((found) => found !== undefined)

describe("Of one client's losses, an idle timeout", () => {
  it("is recognised at the third in a row after the same silence, and told once", () => {
    const losses = [60_000, 60_080, 59_990, 60_000, 60_000].map((silence) => lossOf(silence))
    assert.deepStrictEqual(foundAt(ofOne, losses), [undefined, undefined, 59_990, undefined, undefined])
  })

  it("is none where the silences differ by more than a fiftieth, or by more than 250 ms where that is more", () => {
    assert.isTrue(isFound(ofOne, [lossOf(61_200), lossOf(60_000), lossOf(60_000)]))
    assert.isFalse(isFound(ofOne, [lossOf(61_201), lossOf(60_000), lossOf(60_000)]))
    assert.isTrue(isFound(ofOne, [lossOf(10_250), lossOf(9750), lossOf(10_000)]))
    assert.isFalse(isFound(ofOne, [lossOf(10_250), lossOf(9749), lossOf(10_000)]))
  })

  it("is none where another loss lies between, and is one as soon as three are in a row", () => {
    const silences = [60_000, 60_000, 7_000, 60_000, 60_000]
    assert.isFalse(
      isFound(
        ofOne,
        silences.map((silence) => lossOf(silence))
      )
    )
    assert.isTrue(
      isFound(
        ofOne,
        [...silences, 60_000].map((silence) => lossOf(silence))
      )
    )
  })

  for (const [what, loss, nearly] of [
    ["no heartbeat was to break", lossOf(60_000, { interval: 60_000 }), lossOf(60_000, { interval: 60_001 })],
    ["is that of a busy application", lossOf(4999), lossOf(5000)],
    ["such a connection has endured before", lossOf(10_000, { endured: 10_251 }), lossOf(10_000, { endured: 10_250 })]
  ] as const) {
    it(`is none after a silence that ${what}`, () => {
      assert.isFalse(isFound(ofOne, [loss, loss, loss, loss]))
      assert.isTrue(isFound(ofOne, [nearly, nearly, nearly]))
    })
  }
})

describe("Of a gateway's losses, an idle timeout", () => {
  const same = (count: number) => Array.from({ length: count }, () => lossOf(60_000))

  it("is recognised when ten of the latest twelve agree", () => {
    assert.strictEqual(foundAt(ofMany, same(10)).at(-1), 60_000)
    assert.isFalse(isFound(ofMany, same(9)))
    assert.isTrue(isFound(ofMany, [...same(5), lossOf(7000), lossOf(300), ...same(5)]))
    assert.isFalse(isFound(ofMany, [...same(5), lossOf(7000), lossOf(300), lossOf(80_000), ...same(5)]))
  })

  it("is none where all are lost at one moment, as when the proxy itself goes", () => {
    const judge = new IdleTimeout(ofMany)
    const found = Array.from({ length: 1000 }, (_, at) => judge.lost(lossOf(60_000), Math.floor(at / 120)))
    assert.isTrue(found.every((one) => one === undefined))
  })

  it("is none in a hundred thousand losses at random", () => {
    const judge = new IdleTimeout(ofMany)
    let seed = 1
    // The pings of both ends break the silences: short ones are more frequent.
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    for (let at = 0; at < 100_000; at++) {
      const silence = Math.round(30_000 * Math.min(random(), random()))
      assert.isUndefined(judge.lost({ silence, endured: 0, interval: 30_000 }, at * 1000))
    }
  })
})

/** What is logged as a warning. */
const warnings = () => {
  const said: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel.label === "WARN") said.push(String(message))
  })
  return { said, layer: Logger.replace(Logger.defaultLogger, logger) }
}

const words = /an idle timeout of about 60 s lies between: set heartbeatInterval below it$/

describe("A client", () => {
  const oneSecond = Reconnect.exponential({ jitter: false })

  /** A client that is Ready, and a proxy that cuts what was silent for so long, from the last byte that anybody sent. */
  const begun = (options?: Options.All) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* echoGateway({ ...beating, ...options })
      const client = yield* makeClient({ ...beating, reconnect: oneSecond, ...options })
      const lostAfter = (silence: number) =>
        Effect.gen(function* () {
          yield* client.ready
          yield* TestClock.adjust(silence)
          yield* network.cut()
          yield* settle
          const waiting = yield* client.status
          yield* TestClock.adjust(1000)
          return waiting._tag === "Waiting" ? waiting.idleTimeout : assert.fail(`it is ${waiting._tag}`)
        })
      return { client, lostAfter, network }
    })

  it.scoped("says at the third loss, in its status and once in the log, what lies between and what helps", () => {
    const { layer, said } = warnings()
    return Effect.gen(function* () {
      const { client, lostAfter } = yield* begun()
      assert.isUndefined(yield* lostAfter(60_000))
      assert.isUndefined(yield* lostAfter(60_000))
      assert.deepInclude(yield* client.status, { _tag: "Ready", idleTimeout: undefined })
      assert.deepStrictEqual(said, [])
      assert.strictEqual(yield* lostAfter(60_000), 60_000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", idleTimeout: 60_000 })
      assert.lengthOf(said, 1)
      assert.match(said[0] ?? "", words)
      for (let again = 0; again < 4; again++) assert.strictEqual(yield* lostAfter(60_000), 60_000)
      assert.lengthOf(said, 1)
    }).pipe(withRandom(0.9), Effect.provide(World), Effect.provide(layer))
  })

  it.scoped("counts a silence from the answer to what it sent", () =>
    Effect.gen(function* () {
      const { client, lostAfter } = yield* begun()
      for (const speaks of [0, 11_000, 23_000]) {
        yield* client.ready
        yield* TestClock.adjust(speaks)
        yield* client.send("a word")
        yield* TestClock.adjust(50)
        yield* lostAfter(60_000)
      }
      assert.deepInclude(yield* client.status, { _tag: "Ready", idleTimeout: 60_000 })
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("recognises none where connections are closed, or its own deadline ends them", () => {
    const { layer, said } = warnings()
    return Effect.gen(function* () {
      const { client, lostAfter, network } = yield* begun({ readDeadline: interval + 1 })
      yield* lostAfter(60_000)
      yield* lostAfter(60_000)
      // Its server closes the connection in the same silence.
      yield* client.ready
      yield* TestClock.adjust(60_000)
      ;(yield* network.latest).server.close(1012, "")
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready", idleTimeout: undefined })
      ;(yield* network.latest).silence()
      yield* TestClock.adjust(interval + 1)
      const waiting = yield* client.status
      yield* TestClock.adjust(waiting._tag === "Waiting" ? waiting.delay : 0)
      assert.deepInclude(yield* client.status, { _tag: "Ready", idleTimeout: undefined })
      assert.deepStrictEqual(said, [])
      assert.strictEqual(yield* lostAfter(60_000), 60_000)
    }).pipe(withRandom(0.9), Effect.provide(World), Effect.provide(layer))
  })

  it.scoped("recognises none in connections that have lived through longer silences", () =>
    Effect.gen(function* () {
      const { client, lostAfter } = yield* begun()
      for (let loss = 0; loss < 5; loss++) {
        yield* client.ready
        // Its first ping leaves after 108 s.
        yield* TestClock.adjust(108_000)
        assert.isUndefined(yield* lostAfter(60_000))
      }
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})

describe("A gateway", () => {
  it.scoped("says at the tenth loss, in its figures and once in the log, what lies between and what helps", () => {
    const { layer, said } = warnings()
    return Effect.gen(function* () {
      const { gateway } = yield* echoGateway(beating)
      const lost = Effect.gen(function* () {
        const { peer } = yield* join()
        yield* TestClock.adjust(60_000)
        yield* peer.leave
        // A stranger that leaves without a hello is no loss.
        yield* TestClock.adjust(2000)
        yield* Effect.flatMap(dial, ({ leave }) => leave)
        yield* TestClock.adjust(2000)
      })
      for (let loss = 1; loss <= 9; loss++) yield* lost
      assert.isUndefined((yield* gateway.stats).idleTimeout)
      assert.deepStrictEqual(said, [])
      yield* lost
      assert.strictEqual((yield* gateway.stats).idleTimeout, 60_000)
      assert.lengthOf(said, 1)
      assert.match(said[0] ?? "", words)
      for (let again = 0; again < 12; again++) yield* lost
      assert.lengthOf(said, 1)
    }).pipe(withRandom(0.9), Effect.provide(World), Effect.provide(layer))
  })

  it.scoped("recognises none where clients close", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { gateway } = yield* echoGateway(beating)
      for (let end = 0; end < 15; end++) {
        yield* join()
        yield* TestClock.adjust(60_000)
        ;(yield* network.latest).client.close(1001, "")
        yield* TestClock.adjust(1000)
        assert.strictEqual((yield* gateway.stats).connections, 0)
      }
      assert.isUndefined((yield* gateway.stats).idleTimeout)
    }).pipe(withRandom(0.9), Effect.provide(World))
  )
})
