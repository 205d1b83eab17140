/** Where there is no redis-server: tests that need one are left out and named at the end of the run, or fail in CI. */
import { appendFileSync } from "node:fs"
import { describe, expect, inject, it } from "vitest"
import { program } from "./program.js"

const { CI = "" } = process.env
const isCI = CI !== "" && CI !== "false"

/** `describe`, for tests that start Redis servers of their own. */
export const describeWithRedis = (name: string, tests: () => void): void => {
  if (program() !== undefined) {
    describe(name, tests)
    return
  }
  appendFileSync(inject("leftOutForRedis"), `${expect.getState().testPath}\n`)
  if (isCI) describe(name, () => it("has a redis-server", refuse))
  else describe.skip(name, tests)
}

const refuse = () => {
  throw new Error("redis-server is not installed, and with CI set these tests are not left out")
}
