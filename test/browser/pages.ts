/** Pages that tests open: each is built by vite once a run, by the first test file that asks for it. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Cause, Effect, Exit } from "effect"
import { inject } from "vitest"
import { eventually } from "../node/support.js"
import { aliases } from "../support/sources.js"

/** Whether this test file is the first to ask: a directory is made by one alone. */
const isFirst = (lock: string): boolean => {
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

const bundle = (root: string, outDir: string) =>
  Effect.promise(async () => {
    // By the one file that builds alone: it takes its time to load.
    const { build } = await import("vite")
    await build({
      configFile: false,
      root,
      logLevel: "warn",
      resolve: { alias: aliases },
      build: { outDir, emptyOutDir: true, target: "es2022", minify: false, modulePreload: false }
    })
  })

/** The folder with the page that is built of the `index.html` in `root`. */
export const built = (root: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    const path = join(inject("pagesFolder"), encodeURIComponent(root))
    const failure = `${path}.failed`
    if (isFirst(`${path}.lock`)) {
      const exit = yield* Effect.exit(bundle(root, `${path}.unfinished`))
      if (Exit.isFailure(exit)) writeFileSync(failure, Cause.pretty(exit.cause))
      else renameSync(`${path}.unfinished`, path)
    }
    yield* eventually(
      `${root} is built`,
      Effect.sync(() => existsSync(path) || existsSync(failure))
    )
    return existsSync(failure) ? yield* Effect.dieMessage(readFileSync(failure, "utf8")) : path
  })
