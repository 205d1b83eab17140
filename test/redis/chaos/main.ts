/**
 * Many gateways as processes, killed at random, on a Redis that is killed too.
 *
 *     npm run chaos -- [--seconds 60] [--clients 50] [--gateways 3] [--redis-restarts 2] [--seed 1]
 *
 * Nothing that was acknowledged is lost; a handler runs twice only where a kill has cut off its record; every subscriber
 * receives every publication once.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Deferred, Effect, Random } from "effect"
import { NodeDialer } from "holdfast/node"
import { type Balancer, balancer } from "../../../examples/cluster/balancer.js"
import { freePort, redisServer } from "../server.js"
import { judge, type Life } from "./judge.js"
import { Book, person } from "./person.js"

const count = { type: "string" } as const
const { values } = parseArgs({
  options: {
    seconds: { ...count, default: "60" },
    clients: { ...count, default: "50" },
    gateways: { ...count, default: "3" },
    "redis-restarts": { ...count, default: "2" },
    seed: { ...count, default: "1" }
  }
})
const [seconds, clients, gateways, restarts, seed] = [
  values.seconds,
  values.clients,
  values.gateways,
  values["redis-restarts"],
  values.seed
].map(Number) as [number, number, number, number, number] // as many as there are options

const gatewayFile = fileURLToPath(new URL("../../programs/chaosGateway.main.ts", import.meta.url))

interface Running {
  readonly life: Life
  readonly kill: Effect.Effect<void>
}

/** Starts a gateway's process, which the scope kills. */
const startGateway = (url: string, directory: string, lives: Array<Life>, { targets }: Balancer) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const life: Life = { path: join(directory, `${lives.length}.log`), killedAt: undefined }
    lives.push(life)
    const args = ["--import", "tsx", gatewayFile, String(port), url, life.path]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    yield* Effect.async<void, Error>((resume) => {
      child.stdout.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes("listens at")) resume(Effect.void)
      })
      child.once("exit", (code) => resume(Effect.fail(new Error(`a gateway ended with ${code} before it listened`))))
    })
    targets.add(port)
    const kill = Effect.gen(function* () {
      targets.delete(port)
      child.kill("SIGKILL")
      yield* Effect.promise(() => exited)
      life.killedAt = yield* Clock.currentTimeMillis
    })
    return { life, kill } satisfies Running
  })

const show = (name: string, list: ReadonlyArray<string>) =>
  list.length === 0 ? Effect.void : Console.log(`${name}: ${list.slice(0, 20).join("; ")}`)

const program = Effect.gen(function* () {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-chaos-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const redis = yield* redisServer({ appendOnly: true })
  const front = yield* balancer
  const lives: Array<Life> = []
  const start = startGateway(redis.url, directory, lives, front)
  const running: Array<Running | undefined> = yield* Effect.all(
    Array.from({ length: gateways }, () => start),
    { concurrency: "unbounded" }
  )
  const book = new Book()
  const stop = yield* Deferred.make<void>()
  const url = `ws://127.0.0.1:${front.port}/`
  const people = yield* Effect.forEach(
    Array.from({ length: clients }, (_, i) => `p${i}`),
    (name) => person(name, url, book, stop),
    { concurrency: 10 }
  )
  yield* Console.log(`${clients} clients, ${gateways} gateways, one Redis (process ${redis.pid()}), for ${seconds} s`)

  let kills = 0
  const scope = yield* Effect.scope
  const killing = Effect.forever(
    Effect.gen(function* () {
      yield* Effect.sleep(yield* Random.nextIntBetween(300, 2500))
      const victim = yield* Random.nextIntBetween(0, running.length)
      const gateway = running[victim]
      // It starts still: sometimes there is no gateway at all.
      if (gateway === undefined) return
      kills++
      running[victim] = undefined
      yield* gateway.kill
      yield* Effect.forkIn(
        Effect.map(start, (started) => {
          running[victim] = started
        }),
        scope
      )
    })
  )
  const restarting = Effect.forEach(
    Array.from({ length: restarts }),
    () =>
      Effect.gen(function* () {
        yield* Effect.sleep((seconds * 1000) / (restarts + 1))
        yield* Console.log("redis-server is killed")
        yield* redis.kill
        yield* Effect.sleep("2 seconds")
        yield* redis.start
        yield* Console.log("redis-server runs again, with its append-only file")
      }),
    { discard: true }
  )
  const chaos = Effect.all([Effect.ignore(Effect.timeout(killing, seconds * 1000)), restarting], {
    concurrency: "unbounded",
    discard: true
  })
  yield* Effect.withRandom(chaos, Random.make(seed))
  yield* Deferred.succeed(stop, undefined)
  yield* Console.log("nothing is killed any more; what is on its way is waited for")
  const settled = Effect.forEach(people, ({ done }) => done, { concurrency: "unbounded", discard: true })
  const ended = yield* Effect.timeoutOption(settled, "90 seconds")
  const all = Effect.sync(() =>
    [...book.received.values()].every((received) => [...book.published].every((value) => received.has(value)))
  )
  yield* Effect.timeoutOption(Effect.repeat(Effect.delay(all, "200 millis"), { until: (is) => is }), "60 seconds")
  // What comes twice may come a little later.
  yield* Effect.sleep("2 seconds")

  const verdict = judge(book, lives)
  const pairs = book.published.size * clients
  yield* Console.log(
    [
      `${kills} gateways killed, Redis killed ${restarts} times`,
      `${book.resumes} resumes, ${verdict.resumedElsewhere} of them on another node`,
      `${book.sessionsLost.length} sessions reset, ${book.positionsLost.length} positions lost`,
      `${book.acknowledged.size} messages acknowledged, ${verdict.lost.length} of them lost, ${book.outcomeUnknown.size} of unknown outcome`,
      `${verdict.repeated.length} handled again with the same id after a kill, ${verdict.unexplained.length} of them unexplained; the last record before a kill that was late: ${verdict.slowestRecord} ms`,
      `${book.published.size} publications, ${pairs} to be received: ${verdict.missed.length} missed, ${verdict.receivedTwice.length} received twice`
    ].join("\n")
  )
  yield* show("sessions reset", book.sessionsLost)
  yield* show("positions lost", book.positionsLost)
  yield* show("lost", verdict.lost)
  yield* show("unexplained", verdict.unexplained)
  yield* show("missed", verdict.missed)
  yield* show("received twice", verdict.receivedTwice)
  const failures = [
    verdict.lost,
    verdict.unexplained,
    verdict.missed,
    verdict.receivedTwice,
    book.sessionsLost,
    book.positionsLost
  ]
  if (ended._tag === "None") return yield* Effect.fail(new Error("some clients wait still for what they have sent"))
  if (failures.some(({ length }) => length > 0)) return yield* Effect.fail(new Error("it did not hold"))
  if (kills === 0 || verdict.resumedElsewhere === 0) return yield* Effect.fail(new Error("nothing was put to the test"))
})

Effect.scoped(program).pipe(
  Effect.provide(NodeDialer.layer),
  Effect.tapError((error) => Console.error(String(error))),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
