/** Vitest's `globalSetup`: after the run, whatever reports it, which files were left out by the gate and what would run them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** A file that has a line for each test file that was left out. */
    leftOutForRedis: string
  }
}

const report = (files: ReadonlyArray<string>): string => `
No redis-server was found, so these tests did not run:
${files.map((file) => `  ${file}\n`).join("")}To run them: apt-get install redis-server, or brew install redis, or name one: REDIS_SERVER=/path/to/redis-server
`

export default ({ config, provide }: TestProject): (() => void) => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-left-out-"))
  const leftOut = join(directory, "files")
  provide("leftOutForRedis", leftOut)
  return () => {
    const files = existsSync(leftOut) ? readFileSync(leftOut, "utf8").trimEnd().split("\n") : []
    rmSync(directory, { recursive: true })
    if (files.length === 0) return
    process.stderr.write(report([...new Set(files)].map((file) => relative(config.root, file)).sort()))
  }
}
