/** A Redis Cluster for tests: three masters that share the slots, and a replica of each if asked for. */
import { Cause, Clock, Effect, Schedule, type Scope } from "effect"
import { patiently } from "../support/patience.js"
import { commonArgs, freePort, launch, type RedisServer, type StartFailed } from "./server.js"

export interface RedisCluster {
  /** The masters. */
  readonly nodes: ReadonlyArray<RedisServer>
  /** The replica of each master, in the order of `nodes`; none unless asked for. */
  readonly replicas: ReadonlyArray<RedisServer>
  /** Of all of them, the masters first. */
  readonly urls: ReadonlyArray<string>
}

export interface RedisClusterOptions {
  /** Of each master (0). */
  readonly replicas?: 0 | 1 | undefined
  /** Milliseconds of silence after which a node is taken for dead: 5000, or 1000 where there is a replica to take over. */
  readonly nodeTimeout?: number | undefined
}

const slots = 16_384
const masters = 3

const node = (nodeTimeout: number) =>
  launch((port, directory) =>
    Effect.map(freePort, (busPort) => [
      ...commonArgs(port, directory),
      ...["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-node-timeout", `${nodeTimeout}`],
      // Else a node does not know its own address before another one has met it.
      ...["--cluster-announce-ip", "127.0.0.1"],
      // So that a replica takes over however long it had not heard of its master.
      ...["--cluster-replica-validity-factor", "0"]
    ])
  )

/** Waits until the answer to a question has all of this in it. */
export const says = (
  server: RedisServer,
  question: ReadonlyArray<string>,
  ...expected: ReadonlyArray<string>
): Effect.Effect<void> =>
  server.cli(...question).pipe(
    Effect.sandbox,
    Effect.filterOrFail(
      (answer) => expected.every((text) => answer.includes(text)),
      (answer) => Cause.fail(answer)
    ),
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.orDie,
    Effect.asVoid,
    (said) => patiently(`${question.join(" ")} to say ${expected.join(", ")}`, said)
  )

const makeMaster = (server: RedisServer, at: number) =>
  Effect.zipRight(
    server.cli("CLUSTER", "SET-CONFIG-EPOCH", `${at + 1}`),
    server.cli(
      ...["CLUSTER", "ADDSLOTSRANGE"],
      `${Math.floor((slots * at) / masters)}`,
      `${Math.floor((slots * (at + 1)) / masters) - 1}`
    )
  )

const makeReplica = (server: RedisServer, master: RedisServer) =>
  Effect.gen(function* () {
    const id = yield* master.cli("CLUSTER", "MYID")
    yield* says(server, ["CLUSTER", "NODES"], id)
    yield* says(server, ["CLUSTER", "REPLICATE", id], "OK")
    yield* says(server, ["INFO", "replication"], "master_link_status:up")
  })

/** A cluster in which every node knows of every other, and that all slots are served. */
export const redisCluster = (
  options: RedisClusterOptions = {}
): Effect.Effect<RedisCluster, StartFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const perMaster = options.replicas ?? 0
    const nodeTimeout = options.nodeTimeout ?? (perMaster === 0 ? 5000 : 1000)
    const all = yield* Effect.all(
      Array.from({ length: masters * (1 + perMaster) }, () => node(nodeTimeout)),
      { concurrency: "unbounded" }
    )
    const nodes = all.slice(0, masters)
    const replicas = all.slice(masters)
    yield* Effect.forEach(nodes, makeMaster, { discard: true })
    const meet = (server: RedisServer) =>
      Effect.gen(function* () {
        const other = all[0]
        if (other === undefined || other === server) return
        const busPort = yield* other.cli("CONFIG", "GET", "cluster-port")
        yield* server.cli("CLUSTER", "MEET", other.host, `${other.port}`, busPort.split("\n")[1] ?? "")
      })
    yield* Effect.forEach(all, meet, { discard: true })
    yield* Effect.forEach(
      replicas,
      (server, at) => Effect.flatMap(Effect.fromNullable(nodes[at]), (master) => makeReplica(server, master)),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.orDie)
    const ready = ["cluster_state:ok", `cluster_slots_ok:${slots}`, `cluster_known_nodes:${all.length}\r\n`]
    yield* Effect.forEach(all, (server) => says(server, ["CLUSTER", "INFO"], ...ready), { concurrency: "unbounded" })
    return { nodes, replicas, urls: all.map(({ url }) => url) }
  }).pipe(Effect.withClock(Clock.make()))
