import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { Broker } from "holdfast"
import { BrokerLaws } from "holdfast/testing"

const { Broker: Service } = Broker

describe("the memory broker", () => {
  BrokerLaws.suite(Layer.effect(Service, Broker.makeMemory()), (law, holds) => it.effect(law, () => holds))
})

const history = (broker: Broker.Broker["Type"], topic: string) =>
  Effect.map(broker.history(topic, { limit: 100 }), (log) =>
    log._tag === "Complete" ? log.publications.map(({ payload }) => payload) : log.reason
  )

describe("Broker.makeMemory", () => {
  it.effect("in another process has other epochs: no position of before a restart is taken for one of after it", () =>
    Effect.gen(function* () {
      const before = yield* Broker.makeMemory()
      const after = yield* Broker.makeMemory()
      const since = yield* before.publish("t", "1")
      yield* after.publish("t", "1")
      const log = yield* after.history("t", { since, limit: 10 })
      assert.deepInclude(log, { _tag: "Refused", reason: "epoch" })
    })
  )

  it.effect("gives up the topic that was unused for longest for one more than maxTopics", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ maxTopics: 3 })
      for (const topic of ["a", "b", "c"]) yield* broker.publish(topic, `"${topic}"`)
      const a = yield* broker.history("a", { limit: 1 }) // used: b is the oldest now
      yield* broker.publish("d", '"d"')
      assert.deepStrictEqual(yield* history(broker, "a"), ['"a"'])
      assert.deepStrictEqual(yield* history(broker, "c"), ['"c"'])
      assert.deepStrictEqual(yield* history(broker, "d"), ['"d"'])
      // Naming b again takes the place of another, and b's log is a new one.
      assert.deepStrictEqual(yield* history(broker, "b"), [])
      assert.deepInclude(yield* broker.history("a", { since: a.end, limit: 1 }), { _tag: "Refused", reason: "epoch" })
    })
  )

  it.scoped("gives up no topic that somebody listens to or that remembers a key, for maxTopics", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ maxTopics: 2, keyWindow: 1000 })
      const heard: Array<string> = []
      yield* broker.subscribe("heard", { published: ({ payload }) => heard.push(payload), reset: () => {} })
      const kept = yield* broker.publish("keyed", "1", { key: "k" })
      for (let i = 0; i < 300; i++) yield* broker.publish(`t${i}`, String(i))
      yield* broker.publish("heard", "1")
      assert.deepStrictEqual(heard, ["1"])
      assert.deepStrictEqual(yield* broker.publish("keyed", "1", { key: "k" }), kept)
      assert.deepStrictEqual(yield* history(broker, "t0"), [], "the others give way")
      yield* TestClock.adjust(1000)
      for (let i = 0; i < 3; i++) yield* broker.publish(`u${i}`, String(i))
      assert.deepStrictEqual(yield* history(broker, "keyed"), [], "its key is old")
    })
  )

  it.effect(
    "refuses a new key beyond maxKeys, until some are old; repetitions and publications without one go on",
    () =>
      Effect.gen(function* () {
        const broker = yield* Broker.makeMemory({ maxKeys: 2, keyWindow: 1000 })
        const first = yield* broker.publish("t", "1", { key: "k1" })
        yield* TestClock.adjust(500)
        yield* broker.publish("t", "2", { key: "k2" })
        const refused = yield* Effect.flip(broker.publish("t", "3", { key: "k3" }))
        assert.deepInclude(refused, { _tag: "TooManyKeys", limit: 2, retryAfter: 500 })
        assert.include(refused.message, "maxKeys")
        assert.deepStrictEqual(yield* broker.publish("t", "1", { key: "k1" }), first)
        yield* broker.publish("t", "4")
        yield* TestClock.adjust(499)
        assert.deepInclude(yield* Effect.flip(broker.publish("u", "3", { key: "k3" })), { retryAfter: 1 })
        yield* TestClock.adjust(1)
        yield* broker.publish("t", "3", { key: "k3" })
        assert.deepStrictEqual(yield* history(broker, "t"), ["1", "2", "4", "3"])
      })
  )

  it.effect("counts a key that is old in whatever topic no more, for maxKeys", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory({ maxKeys: 1, keyWindow: 1000 })
      yield* broker.publish("t", "1", { key: "k" })
      yield* TestClock.adjust(1000)
      yield* broker.publish("u", "2", { key: "k" })
      assert.deepStrictEqual(yield* history(broker, "u"), ["2"])
    })
  )

  it.scoped("gives a listener the position from which it hears, though others publish before it is told", () =>
    Effect.gen(function* () {
      const broker = yield* Broker.makeMemory()
      // A fiber gives the others their turn every 16 steps: at each place inside of the operation once.
      for (let steps = 0; steps < 16; steps++) {
        const topic = `t${steps}`
        const heard: Array<number> = []
        const subscribe = broker.subscribe(topic, {
          published: ({ position }) => heard.push(position.offset),
          reset: () => {}
        })
        const publish = Effect.forEach([1, 2, 3, 4, 5, 6], () =>
          Effect.zipRight(Effect.yieldNow(), broker.publish(topic, "1"))
        )
        const later = Effect.zipRight(
          Effect.replicateEffect(
            Effect.sync(() => {}),
            steps
          ),
          subscribe
        )
        const [position] = yield* Effect.withMaxOpsBeforeYield(
          Effect.all([later, publish], { concurrency: "unbounded" }),
          16
        )
        assert.deepStrictEqual(heard, [1, 2, 3, 4, 5, 6].slice(position.offset), `${steps} steps before it`)
      }
    })
  )

  it.scoped("as a Layer rids itself of old members every minute", () =>
    Effect.gen(function* () {
      const broker = yield* Service
      yield* broker.join("t", "t#presence", { session: "s", principal: "ann" }, 1)
      yield* broker.leave("s", { after: 59_000 })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* broker.members("t", "t#presence")).members, [])
    }).pipe(Effect.provide(Broker.layerMemory()))
  )
})
