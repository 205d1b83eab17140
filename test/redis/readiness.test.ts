/** A Redis that answers, and refuses writes, is not ready. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { RedisConnection } from "holdfast/redis"
import { eventually } from "../node/support.js"
import { redisCluster } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisGateway } from "./gatewaySupport.js"
import { redisServer } from "./server.js"

const connect = (url: string) => RedisConnection.make({ url, timeout: "2 seconds" })

/** Longer than the answer to a question counts. */
const stale = Effect.sleep("1100 millis")

const commandsOf = (info: string): number => Number(/total_commands_processed:(\d+)/.exec(info)?.[1])

describeWithRedis("A gateway's readiness", () => {
  it.scopedLive("fails while Redis has no memory left for writes", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { gateway } = yield* redisGateway(server.url)
      yield* gateway.ready
      yield* server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
      yield* server.cli("CONFIG", "SET", "maxmemory", "1mb")
      yield* eventually("it is not ready", Effect.isFailure(gateway.ready))
      assert.match((yield* Effect.flip(gateway.ready)).reason, /^the session store: Redis at .+ refuses writes: .*OOM/)
      yield* server.cli("CONFIG", "SET", "maxmemory", "0")
      yield* eventually("it is ready again", Effect.isSuccess(gateway.ready))
    })
  )

  it.scopedLive("fails for a user who may not write", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      yield* server.cli("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@all", "-@write")
      const { ready } = yield* connect(server.url.replace("//", "//reader:pw@"))
      assert.match((yield* Effect.flip(ready)).message, /refuses writes: .*(NOPERM|permission|can't run)/)
    })
  )

  it.scopedLive("fails on a replica", () =>
    Effect.gen(function* () {
      const master = yield* redisServer()
      const replica = yield* redisServer()
      yield* replica.cli("REPLICAOF", master.host, `${master.port}`)
      const { ready } = yield* connect(replica.url)
      assert.match((yield* Effect.flip(ready)).message, /refuses writes: .*READONLY|does not answer/)
    })
  )

  it.scopedLive("fails while one master of a Cluster refuses writes", () =>
    Effect.gen(function* () {
      const { nodes } = yield* redisCluster()
      const url = `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`
      const { ready } = yield* connect(url)
      yield* ready
      for (const node of nodes) {
        yield* node.cli("CONFIG", "SET", "maxmemory", "1mb")
        yield* stale
        assert.include((yield* Effect.flip(ready)).message, `${node.host}:${node.port} refuses writes`)
        yield* node.cli("CONFIG", "SET", "maxmemory", "0")
        yield* stale
        yield* ready
      }
    })
  )

  it.scopedLive("asks once for all that ask within a second, and leaves nothing behind for long", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { ready } = yield* RedisConnection.make({ url: server.url, heartbeatInterval: "10 minutes" })
      yield* ready
      yield* stale
      const before = commandsOf(yield* server.cli("INFO", "stats"))
      yield* Effect.all(
        Array.from({ length: 500 }, () => ready),
        { concurrency: "unbounded", discard: true }
      )
      assert.isBelow(commandsOf(yield* server.cli("INFO", "stats")) - before, 10)
      const keys = (yield* server.cli("KEYS", "*")).split("\n")
      assert.lengthOf(keys, 1)
      assert.match(keys[0] ?? "", /^holdfast:/)
      assert.isAbove(Number(yield* server.cli("PTTL", keys[0] ?? "")), 0)
    })
  )
})
