/** Real processes whose system clock is set by an hour, each end in turn: who lives is not lost, who is dead is found in time. */
import { spawnSync } from "node:child_process"
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describeWith } from "../gate/describeWith.js"
import { faketime, find } from "../gate/needed.js"
import { lateness, limit } from "../support/patience.js"
import * as Child from "./child.js"
import { eventually } from "./support.js"
import { readDeadline } from "./systemClock.js"
import * as TcpProxy from "./tcpProxy.js"

const healthy = 1000
const hour = 3600

/** The library that the wrapper has the dynamic linker load. */
const library = () => {
  const { stdout } = spawnSync(find(faketime) ?? "", ["-f", "+0s", "sh", "-c", 'echo "$LD_PRELOAD"'], {
    encoding: "utf8"
  })
  return stdout.trim()
}

/** A process whose system clock can be set; its monotonic clock goes on. */
const started = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "holdfast-clock-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  const file = join(folder, "offset")
  const setClock = (seconds: number) =>
    Effect.promise(async () => {
      // In one step: the process reads it all the time.
      await writeFile(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`)
      await rename(`${file}.new`, file)
    })
  yield* setClock(0)
  const child = yield* Child.start("systemClock.main.ts", {
    env: {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1"
    }
  })
  /** Sets it, and sees that the process goes by that. */
  const set = (seconds: number) =>
    Effect.gen(function* () {
      yield* setClock(seconds)
      const there = yield* child.ask<number>("wallTime")
      assert.isBelow(Math.abs(there - Date.now() - seconds * 1000), 60_000, "its clock was set")
    })
  return { ...child, set }
})

const stop = (child: Child.Child, signal: "SIGSTOP" | "SIGCONT") =>
  Effect.sync(() => void process.kill(child.pid, signal))

/** Milliseconds until it holds, from now. */
const after = (what: string, holds: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    const before = performance.now()
    yield* eventually(what, holds)
    return performance.now() - before
  })

describeWith(faketime)(
  "processes whose system clocks are set back and forward by an hour, the gateway's and the clients'",
  () => {
    it.scopedLive(
      "lose nobody, find a dead peer in time, and resume what was away",
      () =>
        Effect.gen(function* () {
          const late = yield* lateness
          const [server, idle, doomed, away] = yield* Effect.all([started, started, started, started], {
            concurrency: "unbounded"
          })
          const port = yield* server.ask<number>("gateway")
          const url = `ws://127.0.0.1:${port}/`
          yield* idle.ask("connect", { url, count: healthy })
          yield* doomed.ask("connect", { url, count: 1 })
          const proxy = yield* TcpProxy.make(port)
          yield* away.ask("connect", { url: `ws://127.0.0.1:${proxy.port}/`, count: 1 })
          const connections = server.ask<number>("connections")
          assert.strictEqual(yield* connections, healthy + 2)
          yield* Effect.sleep(2500)

          const setters = {
            gateway: server.set,
            clients: (seconds: number) => Effect.all([idle.set(seconds), away.set(seconds)])
          }
          for (const [pass, [whose, set]] of Object.entries(setters).entries()) {
            // At the gateway: a peer stops, and the clock is set back, which once hid it for an hour.
            yield* stop(doomed, "SIGSTOP")
            yield* set(-hour)
            const found = yield* after(
              "the dead peer is found",
              Effect.map(connections, (count) => count === healthy + 1)
            )
            assert.isBelow(found, readDeadline + 1000 + late(), `the ${whose}' clock set back`)
            yield* stop(doomed, "SIGCONT")

            // Away for two seconds of a minute, with the clock set forward meanwhile, which once was the end of all sessions.
            yield* proxy.silence("up", "down")
            yield* proxy.cut
            yield* Effect.sleep(1000)
            yield* set(hour)
            yield* Effect.sleep(1000)
            yield* proxy.restore
            for (const [name, one] of Object.entries({ "what was away": away, "what had stopped": doomed })) {
              yield* eventually(
                `${name} has resumed, the ${whose}' clock set forward`,
                Effect.map(one.ask<number>("resumed"), (resumed) => resumed === pass + 1)
              )
            }
            yield* Effect.sleep(1.2 * readDeadline)
            assert.strictEqual(yield* idle.ask<number>("lost"), 0)
            assert.deepStrictEqual(yield* server.ask("ended"), [])
          }

          // At the client: its gateway stops, and its clock is set back.
          const lost = yield* away.ask<number>("lost")
          yield* stop(server, "SIGSTOP")
          yield* away.set(-hour)
          const noticed = yield* after(
            "the dead gateway is found",
            Effect.map(away.ask<number>("lost"), (now) => now > lost)
          )
          yield* stop(server, "SIGCONT")
          assert.isBelow(noticed, readDeadline + 1000 + late())
        }),
      limit
    )
  }
)
