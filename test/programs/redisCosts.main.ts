/**
 * What each operation costs a real Redis: its CPU, this process's CPU, and memory that stays there.
 *
 *     npm run costs -- [--count 20000]
 */
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer } from "effect"
import { Broker, SessionStore } from "holdfast"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { type RedisServer, redisServer } from "../redis/server.js"

const { values } = parseArgs({ options: { count: { type: "string", default: "20000" } } })
const count = Number(values.count)

const figures = (redis: RedisServer) =>
  Effect.gen(function* () {
    const info = `${yield* redis.cli("INFO", "memory")}${yield* redis.cli("INFO", "cpu")}`
    const read = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1])
    const { system, user } = process.cpuUsage()
    return {
      memory: read("used_memory"),
      redis: 1e6 * (read("used_cpu_sys") + read("used_cpu_user")),
      node: system + user,
      now: yield* Clock.currentTimeMillis
    }
  })

const ids = Array.from({ length: count }, (_, i) => `session-${String(i).padStart(14, "0")}`)

const measured = <E, R>(redis: RedisServer, name: string, operation: (id: string) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const before = yield* figures(redis)
    yield* Effect.forEach(ids, operation, { concurrency: 200, discard: true })
    const after = yield* figures(redis)
    const each = (key: "memory" | "redis" | "node") => (after[key] - before[key]) / count
    const rate = Math.round((1000 * count) / (after.now - before.now))
    yield* Console.log(
      `${name.padEnd(28)} ${each("redis").toFixed(1).padStart(7)} µs of Redis  ${each("node").toFixed(1).padStart(7)} µs here  ${each("memory").toFixed(0).padStart(6)} B stay  ${rate} a second`
    )
  })

const payload = JSON.stringify({ text: "x".repeat(52) })
const hash = "x".repeat(43)

const program = Effect.gen(function* () {
  const redis = yield* redisServer()
  const Shared = Layer.merge(RedisSessionStore.layer(), RedisBroker.layer()).pipe(
    Layer.provide(RedisConnection.layer({ url: redis.url }))
  )
  yield* Console.log(`${count} of each, 200 at a time; messages of 64 bytes`)
  yield* Effect.gen(function* () {
    const store = yield* SessionStore.SessionStore
    const broker = yield* Broker.Broker
    const message = (seq: number) => ({ seq, payload, confirm: false })
    const user = { subprotocol: "holdfast.v1.json", secretHash: hash } as const
    const at = (name: string, operation: (id: string) => Effect.Effect<unknown, unknown>) =>
      measured(redis, name, operation)
    yield* at("a session begins", (id) => store.create({ ...user, id, principal: id }))
    yield* at("append, a first message", (id) => store.append(id, 1, [message(1)]))
    yield* at("append, a second message", (id) => store.append(id, 1, [message(2)]))
    yield* at("acknowledge", (id) => store.acknowledge(id, 1, { acked: 2, processed: 3 }))
    yield* at("attach", (id) => store.attach({ id, principal: id, secretHash: hash, nextSecretHash: hash, attempt: 1 }))
    yield* at("confirm", (id) => store.confirm(id, 2))
    yield* at("detach", (id) => store.detach(id, 2, 120_000))
    yield* at("publish, in one topic", () => broker.publish("topic", payload))
    yield* at("publish, each in its own", (id) => broker.publish(`topic-${id}`, payload))
    yield* at("a member joins", (id) => broker.join("room", "room#presence", { session: id, principal: id }, 1))
  }).pipe(Effect.provide(Shared))
})

Effect.scoped(program).pipe(NodeRuntime.runMain)
