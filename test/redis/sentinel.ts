/** A master and its replica, watched by sentinels that let the replica take over. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect, type Scope } from "effect"
import { says } from "./cluster.js"
import { launch, type RedisServer, redisServer, type StartFailed } from "./server.js"

export interface RedisSentinel {
  /** By what the sentinels know the master. */
  readonly name: string
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: ReadonlyArray<RedisServer>
}

export interface RedisSentinelOptions {
  /** How many watch (1). */
  readonly sentinels?: 1 | 3 | undefined
}

const name = "holdfast"

/** Sentinels keep what they know in their configuration: it is written once, and then theirs. */
const sentinel = (master: RedisServer) =>
  launch((port, directory) =>
    Effect.sync(() => {
      const file = join(directory, "sentinel.conf")
      const lines = [
        `port ${port}`,
        "bind 127.0.0.1",
        "protected-mode no",
        `dir ${directory}`,
        `sentinel monitor ${name} ${master.host} ${master.port} 1`,
        `sentinel down-after-milliseconds ${name} 500`,
        `sentinel failover-timeout ${name} 2000`
      ]
      writeFileSync(file, `${lines.join("\n")}\n`)
      return [file, "--sentinel"]
    })
  )

/** Ready when every sentinel knows the replica and the other sentinels. */
export const redisSentinel = (
  options: RedisSentinelOptions = {}
): Effect.Effect<RedisSentinel, StartFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const count = options.sentinels ?? 1
    const master = yield* redisServer()
    const replica = yield* redisServer({ args: ["--replicaof", master.host, `${master.port}`] })
    // Then a sentinel is told of it the first time it asks.
    yield* says(replica, ["INFO", "replication"], "master_link_status:up")
    yield* says(master, ["INFO", "replication"], "state=online")
    const sentinels = yield* Effect.all(
      Array.from({ length: count }, () => sentinel(master)),
      { concurrency: "unbounded" }
    )
    const known = ["num-slaves\n1\n", `num-other-sentinels\n${count - 1}\n`]
    yield* Effect.forEach(sentinels, (one) => says(one, ["SENTINEL", "MASTER", name], ...known), {
      concurrency: "unbounded"
    })
    return { name, master, replica, sentinels }
  }).pipe(Effect.withClock(Clock.make()))
