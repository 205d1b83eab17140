import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url))
const fixture = fileURLToPath(new URL("./fixture", import.meta.url))

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

/** What the run says of each program, each time it does. */
const advice = {
  redis:
    /No redis-server was found, so these tests did not run:\n {2}redis\.fixture\.ts\nTo run them: apt-get install redis-server/g,
  chromium:
    /No chromium was found, so these tests did not run:\n {2}chromium\.fixture\.ts\nTo run them: apt-get install chromium/g
}

const timesSaid = (errors: string) => ({
  redis: errors.match(advice.redis)?.length ?? 0,
  chromium: errors.match(advice.chromium)?.length ?? 0
})

/** A folder with empty programs of these names; the gate starts none. */
const folderWith = (...programs: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "holdfast-gate-"))
      for (const program of programs) writeFileSync(join(path, program), "", { mode: 0o755 })
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )

describe.concurrent("tests that need Redis, or Chromium", () => {
  it.live("are left out where there is none, which the run says once, at its end", () =>
    Effect.gen(function* () {
      const { code, errors, failed, passed } = yield* run({ PATH: "" })
      assert.deepStrictEqual({ code, failed, passed }, { code: 0, failed: 0, passed: 2 })
      assert.deepStrictEqual(timesSaid(errors), { redis: 1, chromium: 1 })
    })
  )

  it.live("fail there in CI", () =>
    Effect.gen(function* () {
      const { code, errors, failed, passed } = yield* run({ PATH: "", CI: "true" })
      assert.deepStrictEqual({ code, failed, passed }, { code: 1, failed: 2, passed: 2 })
      assert.deepStrictEqual(timesSaid(errors), { redis: 1, chromium: 1 })
    })
  )

  it.scopedLive("run where one is on PATH, or REDIS_SERVER and CHROMIUM name one", () =>
    Effect.gen(function* () {
      const path = yield* folderWith("redis-server", "google-chrome")
      const named = { REDIS_SERVER: join(path, "redis-server"), CHROMIUM: join(path, "google-chrome") }
      for (const { code, errors, passed } of yield* Effect.forEach([{ PATH: path }, { PATH: "", ...named }], run)) {
        assert.deepStrictEqual({ code, passed }, { code: 0, passed: 4 })
        assert.deepStrictEqual(timesSaid(errors), { redis: 0, chromium: 0 })
      }
    })
  )

  it.scopedLive("are left out where REDIS_SERVER or CHROMIUM names none, whatever is on PATH, and the others run", () =>
    Effect.gen(function* () {
      const path = yield* folderWith("redis-server", "chromium")
      const noRedis = yield* run({ PATH: path, REDIS_SERVER: "/nowhere/redis-server" })
      assert.strictEqual(noRedis.passed, 3)
      assert.deepStrictEqual(timesSaid(noRedis.errors), { redis: 1, chromium: 0 })
      const noChromium = yield* run({ PATH: path, CHROMIUM: "/nowhere/chromium" })
      assert.strictEqual(noChromium.passed, 3)
      assert.deepStrictEqual(timesSaid(noChromium.errors), { redis: 0, chromium: 1 })
    })
  )
})
