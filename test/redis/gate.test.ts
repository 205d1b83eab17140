import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url))
const fixture = fileURLToPath(new URL("./gateFixture", import.meta.url))

interface Finished {
  readonly code: number
  readonly passed: number
  readonly failed: number
  readonly errors: string
}

/** Runs the fixture as `.ci/run` runs the tests, where there is nothing but what `env` says. */
const run = (env: Readonly<Record<string, string>>) =>
  Effect.async<Finished>((resume) => {
    const args = [vitest, "run", "--root", fixture, "--reporter=default", "--reporter=json"]
    const child = execFile(process.execPath, args, { env: { NO_COLOR: "1", ...env } }, (_, out, errors) => {
      const { numFailedTests, numPassedTests } = JSON.parse(out.slice(out.indexOf('{"num')))
      resume(Effect.succeed({ code: child.exitCode ?? -1, passed: numPassedTests, failed: numFailedTests, errors }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** What the run says of redis-server, each time it does. */
const advice = /No redis-server was found[\s\S]*?both\.fixture\.ts\n[\s\S]*?apt-get install redis-server/g

/** A folder with a program that is called redis-server; the gate starts none. */
const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "holdfast-gate-"))
    writeFileSync(join(path, "redis-server"), "", { mode: 0o755 })
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe.concurrent("tests that need Redis", () => {
  it.live("are left out where there is none, which the run says once, at its end", () =>
    Effect.gen(function* () {
      const { code, errors, failed, passed } = yield* run({ PATH: "" })
      assert.deepStrictEqual({ code, failed, passed }, { code: 0, failed: 0, passed: 1 })
      assert.strictEqual(errors.match(advice)?.length, 1)
    })
  )

  it.live("fail there in CI", () =>
    Effect.gen(function* () {
      const { code, errors, failed, passed } = yield* run({ PATH: "", CI: "true" })
      assert.deepStrictEqual({ code, failed, passed }, { code: 1, failed: 1, passed: 1 })
      assert.strictEqual(errors.match(advice)?.length, 1)
    })
  )

  it.scopedLive("run where one is on PATH, or REDIS_SERVER names one", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const there = [{ PATH: path }, { PATH: "", REDIS_SERVER: join(path, "redis-server") }]
      for (const { code, errors, passed } of yield* Effect.forEach(there, run)) {
        assert.deepStrictEqual({ code, passed }, { code: 0, passed: 2 })
        assert.notMatch(errors, advice)
      }
    })
  )

  it.live("are left out where REDIS_SERVER names none, whatever is on PATH", () =>
    Effect.gen(function* () {
      const { errors, passed } = yield* run({ PATH: process.env.PATH ?? "", REDIS_SERVER: "/nowhere/redis-server" })
      assert.strictEqual(passed, 1)
      assert.match(errors, advice)
    })
  )
})
