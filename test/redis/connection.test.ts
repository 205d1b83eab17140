/** The connection to Redis: where it is, and what becomes of it. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Logger, type Scope } from "effect"
import { Reconnect } from "holdfast"
import { RedisConnection } from "holdfast/redis"
import { Redis } from "ioredis"
import type { InvalidOption } from "../../src/protocol/ConnectionError.js"
import { slotOf } from "../../src/redis/internal/hashSlot.js"
import { tagged, unescape } from "../../src/redis/internal/keys.js"
import { script } from "../../src/redis/internal/script.js"
import { eventually, patiently as within } from "../support/patience.js"
import { patiently, until } from "./brokerSupport.js"
import { type RedisCluster, redisCluster, says } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisSentinel } from "./sentinel.js"
import { freePort, type RedisServer, redisServer } from "./server.js"

const reconnect = Reconnect.exponential({ base: "50 millis", max: "100 millis" })

const connect = (
  options: RedisConnection.Options
): Effect.Effect<RedisConnection.Service, InvalidOption, Scope.Scope> =>
  RedisConnection.make({ reconnect, timeout: "5 seconds", heartbeatInterval: "100 millis", ...options })

const increment = script("return redis.call('INCR', KEYS[1])")

const counted = (connection: RedisConnection.Service, key = "{key}") => connection.run(increment, [key], [])

/** Why it failed, or what it gave. */
const told = (effect: Effect.Effect<unknown, Error>) =>
  Effect.match(effect, { onFailure: ({ message }) => message, onSuccess: String })

/** Milliseconds: many times a timeout of 300, and far from for ever. */
const bounded = 10_000

const whenReady = (connection: RedisConnection.Service) => within("the connection", patiently(connection.ready))

/** What is heard of a channel. */
class Heard {
  readonly texts: Array<string> = []
  times = 0
  readonly message = (text: string) => void this.texts.push(text)
  readonly heard = () => void this.times++
}

/** Says something until it is heard: a connection may be opened more than once before it holds, or have held all the time. */
const hears = (connection: RedisConnection.Service, channel: string, heard: Heard) =>
  eventually(
    "the message",
    Effect.zipRight(
      Effect.ignore(connection.say(channel, "again")),
      Effect.sync(() => heard.texts.length > 0)
    )
  )

/** Connections to a server besides the one that asks. */
const guests = (server: RedisServer) =>
  Effect.map(server.cli("CLIENT", "LIST", "TYPE", "NORMAL"), (list) => list.trim().split("\n").length - 1).pipe(
    Effect.zipWith(server.cli("CLIENT", "LIST", "TYPE", "PUBSUB"), (normal, listening) =>
      listening.trim() === "" ? normal : normal + listening.trim().split("\n").length
    )
  )

const urlOf = ({ nodes }: RedisCluster) => `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`

const oddNames = [
  "",
  "{",
  "}",
  "{}",
  "{}a",
  "a}b{c",
  "%",
  "%7b;",
  "%25;7b;",
  "ä{ö}",
  "🦆",
  "\ud83e",
  "\udd86",
  "a b\n",
  "{%}"
]

it("tagged names of odd text are told apart, can be read back, and have their slot by their tag alone", () => {
  const names = oddNames.map((name) => tagged("p", "s", name))
  assert.strictEqual(new Set(names).size, oddNames.length)
  const bytes = new TextEncoder()
  assert.strictEqual(new Set(names.map((name) => String(bytes.encode(name)))).size, oddNames.length)
  for (const [at, name] of names.entries()) {
    const [, text = ""] = /^p:\{s:([^{}]*)\}$/.exec(name) ?? assert.fail(name)
    assert.strictEqual(unescape(text), oddNames[at])
    assert.strictEqual(slotOf(`${name}:k:{other}`), slotOf(name))
  }
})

describeWithRedis("a connection to a Redis server", () => {
  it.scopedLive("is made while Redis is away, tells why, and works when it has started", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      yield* server.stop
      const connection = yield* within("the connection to be made", connect({ url: server.url }))
      const status = yield* connection.status
      assert.match(status._tag === "Away" ? status.reason : "", /ECONNREFUSED/)
      assert.match(yield* told(connection.ready), /^Redis cannot be reached: .*ECONNREFUSED/)
      assert.match(yield* told(counted(connection)), /^Redis cannot be reached: .*ECONNREFUSED/)
      let returns = 0
      yield* connection.onReady(() => returns++)
      const heard = new Heard()
      const listening = yield* Effect.forkScoped(connection.listen("{channel}", heard))
      yield* server.start
      yield* whenReady(connection)
      assert.deepStrictEqual(yield* connection.status, { _tag: "Ready" })
      assert.strictEqual(returns, 1)
      assert.strictEqual(yield* counted(connection), 1)
      yield* within("the listening", Fiber.join(listening))
      assert.strictEqual(heard.times, 1)
    })
  )

  it.scopedLive(
    "says in the log once that Redis is away, and why, and once that it is back, however often it was tried",
    () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${message}`))
      return Effect.gen(function* () {
        const server = yield* redisServer()
        const connection = yield* connect({ url: server.url })
        yield* whenReady(connection)
        yield* until("the first connection is said", () => lines.length > 0)
        assert.deepStrictEqual(lines.splice(0), ["INFO holdfast: Redis can be reached"])
        yield* server.stop
        yield* until("the loss is seen", () => Effect.runSync(connection.status)._tag === "Away")
        // Each is many attempts to connect later than the one before.
        for (let times = 0; times < 5; times++) {
          assert.match(yield* told(counted(connection)), /^Redis cannot be reached/)
          yield* Effect.sleep("200 millis")
        }
        assert.lengthOf(lines, 1)
        assert.match(lines[0] ?? "", /^WARN holdfast: Redis cannot be reached: .+/)
        yield* server.start
        yield* whenReady(connection)
        yield* until("the return is said", () => lines.length > 1)
        assert.deepStrictEqual(lines.slice(1), ["INFO holdfast: Redis can be reached"])
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }
  )

  it.scopedLive("is ready at once where Redis is there", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const connection = yield* connect({ url: server.url })
      yield* connection.ready
      assert.strictEqual(yield* counted(connection), 1)
    })
  )

  it.scopedLive("that nobody answers fails within its timeout, is opened anew, and works again", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const connection = yield* connect({ url: server.url, timeout: "300 millis" })
      const heard = new Heard()
      yield* connection.listen("{channel}", heard)
      yield* server.pause
      const [took, reason] = yield* Effect.timed(told(counted(connection)))
      assert.match(reason, /timed out|has not answered/)
      assert.isBelow(Duration.toMillis(took), bounded)
      yield* until("the heartbeat finds it", () => Effect.runSync(connection.status)._tag === "Away")
      const [refusedIn] = yield* Effect.timed(told(connection.ready))
      assert.isBelow(Duration.toMillis(refusedIn), bounded)
      yield* server.resume
      yield* whenReady(connection)
      yield* hears(connection, "{channel}", heard)
    })
  )

  it.scopedLive("runs scripts that Redis has forgotten, once each", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const connection = yield* connect({ url: server.url })
      for (const expected of [1, 2, 3]) {
        yield* server.cli("SCRIPT", "FLUSH")
        assert.strictEqual(yield* counted(connection), expected)
      }
      assert.strictEqual(yield* counted(connection), 4)
    })
  )

  it.scopedLive("takes over the settings of a client of ioredis, and leaves it alone", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ args: ["--user", "ann", "on", ">pass word", "~*", "&*", "+@all"] })
      const client = yield* Effect.acquireRelease(
        Effect.sync(
          () => new Redis({ port: server.port, db: 3, username: "ann", password: "pass word", keyPrefix: "mine:" })
        ),
        (redis) => Effect.sync(() => redis.disconnect())
      )
      yield* Effect.promise(() => client.set("key", "1"))
      const before = JSON.stringify(client.options)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* connect({ client })
          const heard = new Heard()
          yield* connection.listen("{channel}", heard)
          yield* connection.say("{channel}", "hello")
          yield* until("the message", () => heard.texts.length === 1)
          assert.strictEqual(yield* counted(connection, "other"), 1)
          const users = yield* server.cli("CLIENT", "LIST")
          assert.strictEqual(users.match(/ db=3 .* user=ann /g)?.length, 3)
        })
      )
      assert.strictEqual(client.status, "ready")
      assert.strictEqual(JSON.stringify(client.options), before)
      assert.strictEqual(yield* Effect.promise(() => client.get("key")), "1")
      assert.include(yield* server.cli("INFO", "keyspace"), "db3:keys=2,")
      yield* eventually(
        "the connections to be gone",
        Effect.map(guests(server), (count) => count === 1)
      )
    })
  )

  it.scopedLive("leaves nothing behind when its scope closes, whether Redis is there or away", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const using = (then: Effect.Effect<unknown, Error>) =>
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* connect({ url: server.url })
            yield* connection.listen("{channel}", new Heard())
            yield* counted(connection)
            assert.strictEqual(yield* guests(server), 2)
            yield* then
          })
        )
      const gone = eventually(
        "the connections to be gone",
        Effect.map(guests(server), (count) => count === 0)
      )
      yield* using(Effect.void)
      yield* gone
      yield* using(server.stop)
      yield* server.start
      yield* Effect.sleep("300 millis")
      yield* gone
    })
  )

  it.scopedLive("is refused, and says so, where nobody listens on the port", () =>
    Effect.gen(function* () {
      const connection = yield* connect({ url: `redis://127.0.0.1:${yield* freePort}` })
      assert.match(yield* told(connection.ready), /ECONNREFUSED/)
    })
  )
})

describeWithRedis("a connection to Redis Sentinel", () => {
  it.scopedLive("goes on with the replica after a failover, commands and channels", () =>
    Effect.gen(function* () {
      const { master, name, replica, sentinels } = yield* redisSentinel()
      const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")
      const connection = yield* connect({ url: `redis+sentinel://${hosts}/${name}` })
      const heard = new Heard()
      yield* connection.listen("{channel}", heard)
      assert.strictEqual(yield* counted(connection), 1)
      yield* says(replica, ["GET", "{key}"], "1")
      yield* master.kill
      yield* says(replica, ["ROLE"], "master")
      assert.strictEqual(yield* within("the replica", patiently(counted(connection))), 2)
      yield* until("the channel", () => heard.times > 1)
      yield* hears(connection, "{channel}", heard)
    })
  )
})

describeWithRedis("a connection to Redis Cluster", () => {
  it.scopedLive("knows the slots, and follows one that moves", () =>
    Effect.gen(function* () {
      const cluster = yield* redisCluster()
      const [first, ...others] = cluster.nodes
      if (first === undefined) return assert.fail("no nodes")
      for (const name of [...oddNames, ...oddNames.map((name) => tagged("p", "t", name)), "{a}{b}", "a{{b}}", "a{b"]) {
        if (name === "") continue
        assert.strictEqual(String(slotOf(name)), yield* first.cli("CLUSTER", "KEYSLOT", name), name)
      }
      const connection = yield* connect({ url: urlOf(cluster) })
      yield* connection.ready
      // In a slot of the first node.
      const channel = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .map((text) => `{${text}}`)
        .find((tag) => slotOf(tag) < 5461)
      const [target] = others
      if (channel === undefined || target === undefined) return assert.fail("no slot")
      const heard = new Heard()
      yield* connection.listen(channel, heard)
      const failures: Array<string> = []
      let successes = 0
      const keys = Array.from({ length: 20 }, (_, at) => `${channel}${at}`)
      const asking = yield* Effect.forkScoped(
        Effect.forever(
          Effect.forEach(keys, (key) =>
            Effect.match(counted(connection, key), {
              onFailure: ({ message }) => void failures.push(message),
              onSuccess: () => void successes++
            })
          ).pipe(Effect.zipRight(Effect.sleep("1 millis")))
        )
      )
      yield* until("keys are there", () => successes > 20)
      yield* move(String(slotOf(channel)), first, target, others)
      yield* until("the channel is heard again", () => heard.times > 1)
      const enough = successes + 40
      yield* until("commands go on", () => successes > enough)
      yield* Fiber.interrupt(asking)
      assert.deepStrictEqual(failures, [])
      yield* hears(connection, channel, heard)
      assert.strictEqual(yield* target.cli("CLUSTER", "COUNTKEYSINSLOT", String(slotOf(channel))), "20")
      // Each command was carried out once, on one side or the other.
      const counts = yield* Effect.forEach(keys, (key) => target.cli("GET", key))
      assert.isAtLeast(
        counts.reduce((sum, count) => sum + Number(count), 0),
        successes
      )
    })
  )
})

/** As redis-cli moves a slot, while it is used. */
const move = (slot: string, from: RedisServer, to: RedisServer, others: ReadonlyArray<RedisServer>) =>
  Effect.gen(function* () {
    const [fromId, toId] = [yield* from.cli("CLUSTER", "MYID"), yield* to.cli("CLUSTER", "MYID")]
    yield* to.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId)
    yield* from.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", toId)
    yield* Effect.sleep("20 millis")
    const keys = (yield* from.cli("CLUSTER", "GETKEYSINSLOT", slot, "1000")).trim().split("\n")
    for (const key of keys) {
      yield* from.cli("MIGRATE", to.host, `${to.port}`, key, "0", "5000")
      yield* Effect.sleep("2 millis")
    }
    for (const server of [to, from, ...others]) yield* server.cli("CLUSTER", "SETSLOT", slot, "NODE", toId)
  })
