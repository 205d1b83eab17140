/** The laws of a SessionStore, on a real server and on a real cluster. */
import { afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import type { SessionStore } from "holdfast"
import { RedisConnection, RedisSessionStore } from "holdfast/redis"
import { SessionStoreLaws } from "holdfast/testing"
import { limit, longest } from "../support/patience.js"
import { redisCluster } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisServer, type StartFailed } from "./server.js"

/** Those of one prefix share what is in the server. */
const storeAt = (url: () => string, prefix: string): Layer.Layer<SessionStore.SessionStore> =>
  Layer.suspend(() =>
    RedisSessionStore.layer({ nodeLease: "800 millis" }).pipe(
      Layer.provide(RedisConnection.layer({ url: url(), prefix, timeout: longest })),
      Layer.orDie
    )
  )

const lawsOn = (start: Effect.Effect<string, StartFailed, Scope.Scope>) => {
  const scope = Effect.runSync(Scope.make())
  let url = ""
  beforeAll(async () => {
    url = await Effect.runPromise(Scope.extend(start, scope))
  }, limit)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  SessionStoreLaws.suite(
    storeAt(() => url, "laws"),
    (law, holds) => it.concurrent(law, () => Effect.runPromise(holds)),
    { clock: "live", nodes: 2, isAlone: false, patience: longest / 10 }
  )
  const [size] = SessionStoreLaws.make(
    storeAt(() => url, "alone"), // what the others leave behind is over at some time
    { clock: "live", nodes: 2, patience: longest / 10 }
  ).filter(({ name }) => name.startsWith("size:"))
  if (size !== undefined) it(`${size.name}, alone`, () => Effect.runPromise(size.holds))
}

describeWithRedis("a session store on Redis", () => {
  describe("on one server", () => lawsOn(Effect.map(redisServer(), ({ url }) => url)))
  describe("on a cluster of three masters", () =>
    lawsOn(
      Effect.map(
        redisCluster(),
        ({ nodes }) => `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`
      )
    ))
})
