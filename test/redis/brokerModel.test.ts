import { assert, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Broker } from "holdfast"
import { node } from "./brokerSupport.js"
import { describeWithRedis } from "./gate.js"
import { redisServer } from "./server.js"

/** Numbers that are the same in every run. */
const random = (seed: number) => (below: number) => {
  // Park and Miller.
  seed = (seed * 48_271) % 2_147_483_647
  return seed % below
}

describeWithRedis("a broker on Redis", () => {
  it.scopedLive(
    "keeps and gives up the same publications as the one in memory, whatever bounds come after another",
    () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const { broker } = yield* node(server.url)
        const memory = yield* Broker.makeMemory()
        for (const seed of [1, 2, 3, 4, 5]) {
          const topic = `topic ${seed}`
          const below = random(seed)
          const { end } = yield* broker.history(topic, { limit: 0 })
          const { end: inMemory } = yield* memory.history(topic, { limit: 0 })
          for (let i = 1; i <= 200; i++) {
            const payload = JSON.stringify("x".repeat(below(4) === 0 ? below(60) : below(5)))
            const retention = { messages: 1 + below(below(3) === 0 ? 4 : 80), bytes: 1 + below(600), age: 3_600_000 }
            // Mostly the same bounds, so that logs grow; then others, so that many go at once.
            const own = below(8) === 0 ? retention : { messages: 60, bytes: 500, age: 3_600_000 }
            yield* broker.publish(topic, payload, { retention: own })
            yield* memory.publish(topic, payload, { retention: own })
            const offset = below(i + 2)
            const limit = below(3) === 0 ? below(5) : 1000
            const since = below(3) === 0 ? undefined : offset
            const at = (epoch: string) => (since === undefined ? undefined : { epoch, offset: since })
            const found = yield* broker.history(topic, { since: at(end.epoch), limit })
            const expected = yield* memory.history(topic, { since: at(inMemory.epoch), limit })
            const shown = (log: Broker.History) =>
              log._tag === "Refused"
                ? log.reason
                : log.publications.map(({ payload, position }) => [position.offset, payload])
            assert.deepStrictEqual(shown(found), shown(expected), `after ${i} of seed ${seed}`)
            assert.strictEqual(found.end.offset, expected.end.offset)
          }
        }
      })
  )

  it.scopedLive("gives up what is too old, where the old and the new are many", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url)
      /** On a machine that is held up the new are old, too, before they are looked at: then with as much more time. */
      const looked = (old: number, young: number, age: number): Effect.Effect<void, unknown> =>
        Effect.gen(function* () {
          const topic = `${old} ${young} ${age}`
          const retention = { messages: 1000, bytes: 1_000_000, age }
          const publish = (text: string) => broker.publish(topic, text, { retention })
          yield* Effect.replicateEffect(publish('"old"'), old)
          yield* Effect.sleep(0.75 * age)
          const [spent, log] = yield* Effect.timed(
            Effect.replicateEffect(publish('"young"'), young).pipe(
              Effect.zipRight(Effect.sleep(0.5 * age)),
              Effect.zipRight(broker.history(topic, { limit: 1000 }))
            )
          )
          if (Duration.toMillis(spent) > 0.9 * age) return yield* looked(old, young, 2 * age)
          if (log._tag === "Refused") return assert.fail(log.reason)
          assert.deepStrictEqual(
            log.publications.map(({ payload }) => payload),
            Array.from({ length: young }, () => '"young"')
          )
          const last = { epoch: log.end.epoch, offset: old - 1 }
          assert.strictEqual((yield* broker.history(topic, { since: last, limit: 1 }))._tag, "Refused")
        })
      yield* looked(1, 1, 400)
      yield* looked(70, 3, 400)
      yield* looked(5, 64, 400)
      yield* looked(33, 34, 400)
    })
  )

  it.scopedLive("counts exactly, beyond what text of a number holds in Lua", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url)
      const { end } = yield* broker.history("topic", { limit: 0 })
      const before = 2 ** 53 - 3
      const information = `${before} ${before} ${before} 0 0 0 10 100 100000 ${end.epoch}`
      yield* server.cli("SET", "holdfast:{t:topic}:i", information, "PX", "100000")
      const since = { epoch: end.epoch, offset: before }
      assert.deepStrictEqual(yield* broker.publish("topic", "1"), { ...since, offset: before + 1 })
      assert.deepStrictEqual(yield* broker.publish("topic", "2"), { ...since, offset: before + 2 })
      const log = yield* broker.history("topic", { since, limit: 5 })
      if (log._tag === "Refused") return assert.fail(log.reason)
      assert.deepStrictEqual(
        log.publications.map(({ position }) => position.offset),
        [before + 1, before + 2]
      )
    })
  )
})
