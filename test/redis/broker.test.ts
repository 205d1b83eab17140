import { it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, LogLevel, Schedule, Scope } from "effect"
import { RedisBroker, RedisConnection } from "holdfast/redis"
import { BrokerLaws } from "holdfast/testing"
import { afterAll, beforeAll, describe } from "vitest"
import { limit, longest } from "../support/patience.js"
import { redisCluster } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisServer, type StartFailed } from "./server.js"

/** The laws on a Redis that is started before them, each node on a connection of its own. */
const suite = (start: Effect.Effect<string, StartFailed, Scope.Scope>) => {
  const scope = Effect.runSync(Scope.make())
  let url = ""
  beforeAll(async () => {
    url = await Effect.runPromise(Scope.extend(start, scope))
  }, limit)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const broker = RedisBroker.layer({ keyWindow: "900 millis", lease: "4 seconds", topicTtl: "2 minutes" })
  const connected = Layer.scoped(
    RedisConnection.RedisConnection,
    Effect.suspend(() => RedisConnection.make({ url, timeout: longest })).pipe(
      Effect.tap(({ ready }) =>
        Effect.orDie(Effect.retry(ready, { times: 500, schedule: Schedule.spaced("10 millis") }))
      )
    )
  )
  const layer = Layer.fresh(Layer.provide(broker, connected)).pipe(
    Layer.provide(Logger.minimumLogLevel(LogLevel.Error))
  )
  BrokerLaws.suite(layer, (law, holds) => it.live(law, () => holds), {
    clock: "live",
    nodes: 2,
    isAlone: false,
    unit: "100 millis",
    patience: longest / 10
  })
}

describeWithRedis("the laws of a broker", () => {
  describe.concurrent("on a Redis server", () => suite(Effect.map(redisServer(), ({ url }) => url)))
  describe.concurrent("on a Redis Cluster of three masters", () =>
    suite(
      Effect.map(redisCluster(), ({ nodes }) => {
        const hosts = nodes.map(({ host, port }) => `${host}:${port}`)
        return `redis+cluster://${hosts.join(",")}`
      })
    ))
})
