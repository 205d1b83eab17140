import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { limit, patiently as within } from "../support/patience.js"
import { Ears, node, patiently, until } from "./brokerSupport.js"
import { redisCluster } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisServer } from "./server.js"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1))

describeWithRedis("a broker on Redis, when something fails", () => {
  it.scopedLive(
    "has every listener hear each publication once, when connections that listen are cut all the time",
    () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const [one, other] = [yield* node(server.url), yield* node(server.url)]
        const ears = [one, other, one].map((on) => ({ on, heard: new Ears() }))
        for (const { heard, on } of ears) yield* on.broker.subscribe("topic", heard)
        const cutting = yield* Effect.fork(
          Effect.forever(Effect.zipRight(Effect.sleep("40 millis"), server.cli("CLIENT", "KILL", "TYPE", "pubsub")))
        )
        for (const text of numbers(400)) {
          yield* one.broker.publish("topic", text)
          if (Number(text) % 5 === 0) yield* Effect.sleep("2 millis")
        }
        yield* Fiber.interrupt(cutting)
        for (const { heard } of ears) {
          yield* until("all are heard", () => heard.heard.length >= 400)
          assert.deepStrictEqual(heard.texts, numbers(400))
          assert.deepStrictEqual(heard.resets, [])
        }
      })
  )

  it.scopedLive(
    "loses nothing and has nothing twice when Redis is killed and starts again, publishers and listeners",
    () =>
      Effect.gen(function* () {
        const server = yield* redisServer({ appendOnly: true })
        const [one, other] = [yield* node(server.url), yield* node(server.url)]
        const ears = new Ears()
        const start = yield* other.broker.subscribe("topic", ears)
        const publishers = yield* Effect.fork(
          Effect.forEach(
            numbers(600),
            (text) => Effect.zipRight(Effect.sleep("15 millis"), patiently(one.broker.publish("topic", text))),
            { concurrency: 20 }
          )
        )
        for (let i = 0; i < 3; i++) {
          yield* Effect.sleep("60 millis")
          yield* server.kill
          yield* server.start
        }
        const positions = yield* Fiber.join(publishers)
        yield* until("all are heard", () => ears.heard.length >= 600)
        const log = yield* patiently(other.broker.history("topic", { since: start, limit: 1000 }))
        if (log._tag === "Refused") return assert.fail(log.reason)
        const texts = log.publications.map(({ payload }) => payload)
        assert.deepStrictEqual(
          [...texts].sort((a, b) => Number(a) - Number(b)),
          numbers(600)
        )
        assert.deepStrictEqual(ears.heard, log.publications)
        assert.deepStrictEqual(ears.resets, [])
        assert.deepStrictEqual(
          positions.map(({ offset }) => texts[offset - 1]),
          numbers(600)
        )
      })
  )

  it.scopedLive("tells listeners that the log is another one, when Redis has lost it, at its next publication", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url)
      const ears = new Ears()
      yield* broker.subscribe("topic", ears)
      yield* broker.publish("topic", "1")
      yield* server.cli("FLUSHALL")
      const position = yield* broker.publish("topic", "2")
      yield* until("a reset", () => ears.resets.length > 0)
      yield* broker.publish("topic", "3")
      yield* until("what comes after it", () => ears.heard.length === 2)
      assert.deepStrictEqual(ears.resets, ["epoch"])
      assert.deepStrictEqual(ears.texts, ["1", "3"])
      assert.strictEqual(position.offset, 1)
    })
  )

  it.scopedLive("tells them within the check interval when there is none", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url, { checkInterval: "100 millis" })
      const ears = new Ears()
      yield* broker.subscribe("topic", ears)
      yield* broker.publish("topic", "1")
      yield* until("the publication", () => ears.heard.length === 1)
      yield* server.cli("FLUSHALL")
      yield* until("a reset", () => ears.resets.length > 0)
      assert.deepStrictEqual(ears.resets, ["epoch"])
    })
  )

  it.scopedLive("hears within the check interval what was said and not heard", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url, { checkInterval: "100 millis" })
      const ears = new Ears()
      yield* broker.subscribe("topic", ears)
      // Into the log, with nothing said of it: as it is when the message is lost.
      const key = "holdfast:{t:topic}"
      yield* broker.publish("topic", "1")
      yield* until("the first", () => ears.heard.length === 1)
      const information = yield* server.cli("GET", `${key}:i`)
      yield* server.cli("XADD", `${key}:l`, "2-0", "a", "1", "u", "1", "i", "", "p", "2")
      yield* server.cli("SET", `${key}:i`, information.replace(/^1 0 1/, "2 0 2"), "PX", "100000")
      yield* until("the second", () => ears.heard.length === 2)
      assert.deepStrictEqual(ears.texts, ["1", "2"])
    })
  )

  it.scopedLive("tells listeners when Redis has forgotten what they heard, and gives its place to others", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url)
      const ears = new Ears()
      yield* broker.subscribe("topic", ears)
      const keys = ["i", "l"].map((suffix) => `holdfast:{t:topic}:${suffix}`)
      yield* broker.publish("topic", "1")
      for (const key of keys) yield* server.cli("COPY", key, `${key}:before`)
      yield* broker.publish("topic", "2")
      yield* broker.publish("topic", "3")
      yield* until("all three", () => ears.heard.length === 3)
      // As a replica that takes over without the last of them.
      for (const key of keys) yield* server.cli("COPY", `${key}:before`, key, "REPLACE")
      yield* Effect.sleep("5 millis")
      yield* broker.publish("topic", "4")
      yield* until("a reset", () => ears.resets.length > 0)
      yield* broker.publish("topic", "5")
      yield* until("what comes after it", () => ears.heard.length === 4)
      assert.deepStrictEqual(ears.resets, ["ahead"])
      assert.deepStrictEqual(ears.texts, ["1", "2", "3", "5"])
    })
  )

  it.scopedLive("publishes once what is asked for until it is answered, and again when it is asked for anew", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const one = yield* node(server.url)
      const publish = one.broker.publish("topic", "1")
      one.loseAnswers = 3
      const first = yield* patiently(publish)
      yield* one.broker.publish("topic", "2")
      const second = yield* publish
      assert.deepStrictEqual([first.offset, second.offset], [1, 3])
      // Of several at once, some of which fail.
      one.loseAnswers = 5
      const many = yield* Effect.all(
        Array.from({ length: 10 }, () => patiently(publish)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        many.map(({ offset }) => offset).sort((a, b) => a - b),
        [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
      )
      const { end } = yield* one.broker.history("topic", { limit: 0 })
      assert.strictEqual(end.offset, 13)
    })
  )

  it.scopedLive("publishes once what was interrupted and is run again", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { broker } = yield* node(server.url)
      for (let turns = 0; turns < 20; turns++) {
        const publish = broker.publish("topic", String(turns))
        const fiber = yield* Effect.fork(publish)
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        const { offset } = yield* publish
        if (Exit.isInterrupted(yield* Fiber.await(fiber))) assert.strictEqual(offset, turns + 1)
      }
    })
  )

  it.scopedLive("fails to subscribe in a bounded time when Redis is away, and hears everything afterwards", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ appendOnly: true })
      const one = yield* node(server.url, { timeout: "200 millis" })
      const ears = new Ears()
      yield* server.kill
      const subscribe = one.broker.subscribe("topic", ears)
      const failed = yield* Effect.either(within("the failure", subscribe))
      assert.strictEqual(failed._tag === "Left" ? failed.left._tag : "", "BrokerUnavailable")
      yield* server.start
      yield* patiently(subscribe)
      yield* patiently(one.broker.publish("topic", "1"))
      yield* until("the publication", () => ears.heard.length === 1)
      assert.deepStrictEqual(ears.texts, ["1"])
    })
  )

  it.scopedLive(
    "leaves no channel behind when nobody listens any more, whether they heard it or were interrupted",
    () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const { broker } = yield* node(server.url)
        const listening = (topic: number) =>
          Effect.scoped(Effect.zipRight(broker.subscribe(`topic ${topic % 7}`, new Ears()), Effect.sleep(topic % 3)))
        for (let turns = 0; turns < 40; turns++) {
          const fibers = yield* Effect.all(Array.from({ length: 20 }, (_, topic) => Effect.fork(listening(topic))))
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow()
          if (turns > 20) yield* Effect.sleep((turns - 20) / 4)
          yield* Fiber.interruptAll(fibers)
        }
        yield* Effect.sleep("20 millis")
        assert.strictEqual(yield* server.cli("PUBSUB", "SHARDCHANNELS"), "")
        const ears = new Ears()
        yield* broker.subscribe("topic 1", ears)
        yield* broker.publish("topic 1", "1")
        yield* until("the publication", () => ears.heard.length === 1)
      })
  )

  it.scopedLive(
    "goes on when a master of the cluster was killed and its replica took over",
    () =>
      Effect.gen(function* () {
        const { nodes, replicas } = yield* redisCluster({ replicas: 1 })
        const url = `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`
        const [one, other] = [yield* node(url), yield* node(url)]
        const topics = numbers(12)
        const all = topics.map((topic) => ({ topic, ears: new Ears() }))
        for (const { ears, topic } of all) yield* other.broker.subscribe(topic, ears)
        const publishAll = (text: string) =>
          Effect.forEach(topics, (topic) => patiently(one.broker.publish(topic, text)), { concurrency: "unbounded" })
        yield* publishAll("1")
        const [first] = nodes
        const [replica] = replicas
        if (first === undefined || replica === undefined) return assert.fail("no nodes")
        // What was answered, and had not come to the replica yet, would be lost by Redis.
        yield* Effect.sleep("100 millis")
        yield* first.kill
        yield* publishAll("2")
        yield* publishAll("3")
        for (const { ears, topic } of all) {
          yield* until(`all of ${topic}`, () => ears.heard.length >= 3)
          assert.deepStrictEqual([ears.texts, ears.resets], [["1", "2", "3"], []], topic)
        }
      }),
    limit
  )
})
