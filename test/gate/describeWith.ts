/** Where a program is missing: tests that need it are left out and named at the end of the run, or fail in CI. */
import { appendFileSync } from "node:fs"
import { describe, expect, inject, it } from "vitest"
import { find, type Needed } from "./needed.js"

const { CI = "" } = process.env
const isCI = CI !== "" && CI !== "false"

/** `describe`, for tests that start this program. */
export const describeWith =
  (needed: Needed) =>
  (name: string, tests: () => void): void => {
    if (find(needed) !== undefined) {
      describe(name, tests)
      return
    }
    appendFileSync(inject("leftOut"), `${needed.name} ${expect.getState().testPath}\n`)
    if (!isCI) {
      describe.skip(name, tests)
      return
    }
    const refuse = () => {
      throw new Error(`${needed.name} is not installed, and with CI set these tests are not left out`)
    }
    describe(name, () => it(`has a ${needed.name}`, refuse))
  }
