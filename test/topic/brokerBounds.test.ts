/** What bounds the memory broker: topics, bytes, keys, and the time that each costs. */

import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Broker, type ConnectionError } from "holdfast"
import { limit } from "../support/patience.js"
import { range } from "../support/topics.js"

type Service = Broker.Broker["Type"]

const nobody: Broker.Listener = { published: () => {}, reset: () => {} }

const kept = (broker: Service, topic: string, since?: Parameters<Service["history"]>[1]["since"]) =>
  Effect.map(broker.history(topic, { since, limit: 1000 }), (log) =>
    log._tag === "Complete" ? log.publications.map(({ payload }) => payload) : log.reason
  )

/** CPU that one of `count` takes, in milliseconds. */
const cost = (count: number, one: () => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const before = process.cpuUsage()
    for (let i = 0; i < count; i++) yield* Effect.orDie(one())
    const { system, user } = process.cpuUsage(before)
    return (user + system) / 1000 / count
  })

/** The least that one of many costs: the machine's other work and the collector's turns are in some rounds, not in all. */
const leastCost = (rounds: number, count: number, one: () => Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.all(range(1, rounds).map(() => cost(count, one))), (costs) => Math.min(...costs))

/** A broker, and the publication of something to a topic that it has not got. */
const growing = (maxTopics: number) =>
  Effect.map(Broker.makeMemory({ maxTopics }), (broker) => {
    let n = 0
    return () => broker.publish(`rooms/${n++}`, "1")
  })

describe("A new topic", () => {
  for (const maxTopics of [1_000_000, 50_000]) {
    it.live(
      `costs the same however many there are (maxTopics ${maxTopics})`,
      () =>
        Effect.gen(function* () {
          const measured = Effect.gen(function* () {
            // With few once more: compiled code by then, as with many.
            let few = Number.POSITIVE_INFINITY
            for (let broker = 0; broker < 40; broker++) {
              const one = yield* growing(maxTopics)
              yield* cost(1000, one)
              few = Math.min(few, yield* leastCost(2, 400, one))
            }
            const one = yield* growing(maxTopics)
            yield* cost(200_000, one)
            return { few, many: yield* leastCost(40, 400, one) }
          })
          let { few, many } = yield* measured
          // The machine is not the same all the time: what is over the line is measured again, both of it.
          for (let again = 0; again < 4 && many >= 3 * few; again++) ({ few, many } = yield* measured)
          // Most of what it costs more is a look into a Map of that size, which misses the processor's caches.
          assert.isBelow(many, 3 * few)
        }),
      limit
    )
  }

  it.scopedLive(
    "costs the same where all that may be are in use, by listeners or by keys, and only one that is not is kept beside",
    () =>
      Effect.gen(function* () {
        const broker = yield* Broker.makeMemory({ maxTopics: 20_000 })
        for (let i = 0; i < 10_000; i++) yield* broker.subscribe(`heard/${i}`, nobody)
        for (let i = 0; i < 10_000; i++) yield* broker.publish(`keyed/${i}`, "1", { key: "k", publisher: `${i % 10}` })
        let n = 0
        const least = yield* leastCost(5, 200, () => broker.publish(`rooms/${n++}`, "1"))
        assert.isBelow(least, 0.2)
        assert.deepStrictEqual(yield* kept(broker, `rooms/${n - 1}`), ["1"])
        assert.deepStrictEqual(yield* kept(broker, `rooms/${n - 2}`), [])
        // Those in use are whole.
        assert.deepStrictEqual(yield* kept(broker, "keyed/0"), ["1"])
        const again = yield* broker.publish("keyed/0", "1", { key: "k" })
        assert.strictEqual(again.offset, 1)
      }),
    60_000
  )
})

describe("An empty topic", () => {
  it.scoped("that nobody uses is forgotten after topicTtl, and one that is used is not", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ topicTtl: 600_000, keyWindow: 2_000_000 })
      const ends = new Map<string, Parameters<Service["history"]>[1]["since"]>()
      for (const topic of ["quiet", "awaited", "old", "used", "heard", "keyed", "long"]) {
        const retention = { ...Broker.defaultRetention, age: topic === "long" ? 3_600_000 : 300_000 }
        if (topic === "quiet" || topic === "awaited") ends.set(topic, (yield* broker.history(topic, { limit: 0 })).end)
        else ends.set(topic, yield* broker.publish(topic, "1", { retention, key: topic === "keyed" ? "k" : undefined }))
      }
      yield* broker.subscribe("heard", nobody)
      yield* broker.subscribe("awaited", nobody)
      yield* TestClock.adjust(300_000)
      yield* broker.expire
      yield* broker.history("used", { limit: 0 })
      yield* TestClock.adjust(300_000)
      yield* broker.expire
      // To the millisecond they are there.
      yield* TestClock.adjust(1)
      yield* broker.expire
      const answers = yield* Effect.forEach(ends, ([topic, since]) =>
        Effect.map(kept(broker, topic, since), (answer) => [topic, answer])
      )
      assert.deepStrictEqual(Object.fromEntries(answers), {
        quiet: "epoch",
        awaited: [],
        old: "epoch",
        used: [],
        heard: [],
        keyed: [],
        long: []
      })
    })
  )

  it.live("that many are forgotten with lets others do something in between", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ topicTtl: 0, keyWindow: 1 })
      const retention = { ...Broker.defaultRetention, age: 0 }
      for (let i = 0; i < 10_000; i++) yield* broker.publish(`t/${i}`, "1", { retention })
      yield* Effect.sleep(5)
      let turns = 0
      const count = setInterval(() => turns++, 0)
      yield* broker.expire
      clearInterval(count)
      assert.isAtLeast(turns, 3)
    })
  )
})

describe("maxBytes", () => {
  const room = (count: number, units: number, size = 1) => ({ maxBytes: count * (256 + size * units) })

  it.effect(
    "is of all topics together: the oldest publication of all goes first, and a position before it is refused",
    () =>
      Effect.gen(function* () {
        const broker = yield* Broker.makeMemory(room(3, 100))
        const text = (n: number) => String(n).padStart(100, "1")
        const first = yield* broker.publish("a", text(1))
        yield* broker.publish("b", text(2))
        yield* broker.publish("a", text(3))
        yield* broker.publish("c", text(4))
        assert.deepStrictEqual(yield* kept(broker, "a"), [text(3)])
        assert.strictEqual(yield* kept(broker, "a", { ...first, offset: 0 }), "expired")
        assert.deepStrictEqual(yield* kept(broker, "a", first), [text(3)])
        yield* broker.publish("c", text(5))
        assert.deepStrictEqual(yield* kept(broker, "b"), [])
        assert.deepStrictEqual(yield* kept(broker, "c"), [text(4), text(5)])
      })
  )

  it.effect("counts two bytes a unit of a text that is not Latin-1, and one otherwise", () =>
    Effect.gen(function* () {
      for (const [letter, fits] of [
        ["x", 4],
        ["é", 4],
        ["ж", 2],
        ["\u0100", 2]
      ] as const) {
        const broker = yield* Broker.makeMemory({ maxBytes: 4 * (256 + 10_000) })
        for (const n of range(1, 8)) yield* broker.publish(`t/${n}`, `${n}${letter.repeat(9999)}`)
        const there = yield* Effect.filter(range(1, 8), (n) =>
          Effect.map(kept(broker, `t/${n}`), ({ length }) => length > 0)
        )
        assert.lengthOf(there, fits, letter)
      }
    })
  )

  it.effect("counts each publication for something, and what a topic gives up by itself no more", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory(room(10, 1))
      const retention = { ...Broker.defaultRetention, messages: 2 }
      yield* broker.publish("first", "1")
      for (let i = 0; i < 100; i++) yield* broker.publish("short", "1", { retention })
      assert.deepStrictEqual(yield* kept(broker, "first"), ["1"])
      for (let i = 0; i < 100; i++) yield* broker.publish("long", "1")
      assert.lengthOf(yield* kept(broker, "long"), 10)
      assert.deepStrictEqual(yield* kept(broker, "first"), [])
    })
  )

  it.effect("keeps one that is larger than all alone", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ maxBytes: 300 })
      yield* broker.publish("a", "1")
      const large = "1".repeat(1000)
      yield* broker.publish("b", large)
      assert.deepStrictEqual(yield* kept(broker, "a"), [])
      assert.deepStrictEqual(yield* kept(broker, "b"), [large])
    })
  )
})

describe("maxKeys", () => {
  /** Publishes with new keys until that is refused. */
  const fill = (broker: Service, publisher: string) =>
    Effect.gen(function* () {
      for (let count = 0; ; count++) {
        const done = yield* Effect.either(broker.publish("t", "1", { key: `${publisher} ${count}`, publisher }))
        if (done._tag === "Left") return { count, error: done.left as ConnectionError.TooManyKeys }
      }
    })

  it.effect(
    "is for one publisher alone; beyond it those that hold little have room still, and whoever holds most has none",
    () =>
      Effect.gen(function* () {
        const broker = yield* Broker.makeMemory({ maxKeys: 800, keyWindow: 10_000 })
        const eve = yield* fill(broker, "eve")
        assert.deepInclude(eve.error, { _tag: "TooManyKeys", option: "maxKeys", limit: 800, retryAfter: 10_000 })
        assert.strictEqual(eve.count, 800)
        yield* TestClock.adjust(1000)
        const counts = []
        for (const publisher of range(1, 200).map(String)) counts.push((yield* fill(broker, publisher)).count)
        assert.isAtLeast(counts[0] ?? 0, 80)
        // A hard bound, for everybody.
        assert.strictEqual(
          counts.reduce((sum, count) => sum + count, 0),
          100
        )
        const last = yield* fill(broker, "ann")
        assert.deepInclude(last, { count: 0 })
        assert.strictEqual(last.error.retryAfter, 9000)
        // Nothing was forgotten, and a repetition is none more.
        assert.strictEqual((yield* broker.publish("t", "1", { key: "eve 0", publisher: "eve" })).offset, 1)
        yield* TestClock.adjust(8999)
        assert.strictEqual((yield* fill(broker, "ann")).count, 0)
        yield* TestClock.adjust(1)
        assert.isAbove((yield* fill(broker, "ann")).count, 0)
      })
  )

  it.effect("retryAfter is when there is room, not before", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ maxKeys: 10, keyWindow: 1000 })
      for (const n of range(1, 10)) {
        yield* broker.publish("t", "1", { key: `k${n}`, publisher: "eve" })
        yield* TestClock.adjust(10)
      }
      const { retryAfter } = (yield* fill(broker, "eve")).error
      assert.strictEqual(retryAfter, 900)
      yield* TestClock.adjust(retryAfter - 1)
      assert.strictEqual((yield* fill(broker, "eve")).count, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* fill(broker, "eve")).count, 1)
    })
  )
})
