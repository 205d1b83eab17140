import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { limit } from "../support/patience.js"
import { redisCluster, says } from "./cluster.js"
import { describeWithRedis } from "./gate.js"
import { redisSentinel } from "./sentinel.js"

describeWithRedis("a Redis Cluster", () => {
  it.scopedLive("serves every slot, each on one of three masters, at their addresses", () =>
    Effect.gen(function* () {
      const { nodes, urls } = yield* redisCluster()
      assert.strictEqual(urls.length, 3)
      const served = new Set<string>()
      for (const node of nodes) {
        assert.include(yield* node.cli("CLUSTER", "INFO"), "cluster_state:ok")
        for (const range of (yield* node.cli("CLUSTER", "SLOTS")).split(/\n(?=\d+\n\d+\n127\.0\.0\.1\n)/)) {
          const [first, last, host, port] = range.split("\n")
          served.add(`${first}-${last} redis://${host}:${port}`)
        }
      }
      assert.deepStrictEqual(
        [...served].sort(),
        [`0-5460 ${urls[0]}`, `10922-16383 ${urls[2]}`, `5461-10921 ${urls[1]}`].sort()
      )
    })
  )

  it.scopedLive(
    "goes on with the replica of a master that was killed, and takes the old one back as a replica",
    () =>
      Effect.gen(function* () {
        const { nodes, replicas } = yield* redisCluster({ replicas: 1 })
        const [first, second] = nodes
        const [replica] = replicas
        if (first === undefined || second === undefined || replica === undefined) return assert.fail("no nodes")
        yield* first.kill
        yield* says(replica, ["ROLE"], "master")
        yield* says(replica, ["CLUSTER", "INFO"], "cluster_state:ok")
        yield* says(second, ["CLUSTER", "INFO"], "cluster_state:ok")
        yield* first.start
        yield* says(first, ["INFO", "replication"], "role:slave", `master_port:${replica.port}`)
      }),
    limit
  )
})

describeWithRedis("Redis Sentinel", () => {
  for (const sentinels of [1, 3] as const) {
    it.scopedLive(
      `names the replica once the master is killed, with ${sentinels}`,
      () =>
        Effect.gen(function* () {
          const setup = yield* redisSentinel({ sentinels })
          assert.strictEqual(setup.sentinels.length, sentinels)
          const question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", setup.name]
          const addressOf = ({ host, port }: { readonly host: string; readonly port: number }) => `${host}\n${port}`
          for (const one of setup.sentinels) assert.strictEqual(yield* one.cli(...question), addressOf(setup.master))
          yield* setup.master.cli("SET", "key", "replicated")
          yield* says(setup.replica, ["GET", "key"], "replicated")
          yield* setup.master.kill
          for (const one of setup.sentinels) yield* says(one, question, addressOf(setup.replica))
          yield* says(setup.replica, ["ROLE"], "master")
          assert.strictEqual(yield* setup.replica.cli("GET", "key"), "replicated")
        }),
      limit
    )
  }
})
