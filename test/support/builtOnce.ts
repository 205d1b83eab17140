/** What several test files need and takes long to build: once a run, by the first that asks. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Cause, Effect, Exit } from "effect"
import { inject } from "vitest"
import { eventually } from "./patience.js"

/** Whether this test file is the first to ask: a directory is made by one alone. */
const isFirst = (lock: string): boolean => {
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

/** The folder of what is built of the source by this name. */
export const builtOnce = (source: string, build: (folder: string) => Effect.Effect<unknown>): Effect.Effect<string> =>
  Effect.gen(function* () {
    const path = join(inject("runFolder"), encodeURIComponent(source))
    const failure = `${path}.failed`
    if (isFirst(`${path}.lock`)) {
      const exit = yield* Effect.exit(build(`${path}.unfinished`))
      if (Exit.isFailure(exit)) writeFileSync(failure, Cause.pretty(exit.cause))
      else renameSync(`${path}.unfinished`, path)
    }
    yield* eventually(
      `${source} is built`,
      Effect.sync(() => existsSync(path) || existsSync(failure))
    )
    return existsSync(failure) ? yield* Effect.dieMessage(readFileSync(failure, "utf8")) : path
  })
