/** The tests as a catcher. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join, relative } from "node:path"
import { type Catcher, type Finding, tail } from "./catcher.js"
import * as processes from "./processes.js"

/** What is read of Vitest's JSON report. */
interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly message: string
    readonly status: "passed" | "failed"
    readonly assertionResults: ReadonlyArray<{
      readonly ancestorTitles: ReadonlyArray<string>
      readonly title: string
      readonly status: string
      readonly duration?: number | null
    }>
  }>
}

/** A test that takes this many milliseconds never ends: many faults leave somebody waiting. */
const limitOfTest = 30_000

/** A test file that takes this many milliseconds hangs. */
const limitOfOne = 300_000
const limitOfAll = 1_800_000

const resultFile = ".mutation-result.json"

/** The first test that failed. A file that could not be loaded is no test, and goes before. */
const judge = (copy: string, { testResults }: Report): Finding => {
  const unloaded = testResults.find(
    ({ assertionResults, status }) =>
      status === "failed" && assertionResults.every((result) => result.status !== "failed")
  )
  if (unloaded !== undefined) {
    return { _tag: "Broken", why: `${relative(copy, unloaded.name)} has no failed test: ${unloaded.message}` }
  }
  for (const { assertionResults, name } of testResults) {
    const failed = assertionResults.find(({ status }) => status === "failed")
    if (failed === undefined) continue
    const test = [...failed.ancestorTitles, failed.title].join(" > ")
    const how = (failed.duration ?? 0) >= limitOfTest ? " (timed out)" : ""
    return { _tag: "Caught", by: `${relative(copy, name)}: ${test}${how}` }
  }
  return { _tag: "Missed" }
}

const run = async (copy: string, files: ReadonlyArray<string>, limit: number): Promise<Finding> => {
  const path = join(copy, resultFile)
  rmSync(path, { force: true })
  const vitest = join(copy, "node_modules/vitest/vitest.mjs")
  const options = ["--bail=1", `--testTimeout=${limitOfTest}`, "--reporter=json", `--outputFile=${path}`]
  const only = files.map((file) => join(copy, file))
  const { code, output } = await processes.run(copy, process.execPath, [vitest, "run", ...options, ...only], limit)
  if (code === undefined) return { _tag: "Caught", by: `time limit of ${limit / 1000} s` }
  if (!existsSync(path)) return { _tag: "Broken", why: `Vitest left no report:\n${tail(output, 20)}` }
  const found = judge(copy, JSON.parse(readFileSync(path, "utf8")))
  return found._tag === "Missed" && code !== 0
    ? { _tag: "Broken", why: `every test passed, and Vitest ended with ${code}:\n${tail(output, 20)}` }
    : found
}

export const file = (name: string): Catcher => ({ name, look: (copy) => run(copy, [name], limitOfOne) })

export const all: Catcher = { name: "all tests", look: (copy) => run(copy, [], limitOfAll) }

/** Several files at once. */
export const files = (names: ReadonlyArray<string>): Catcher => ({
  name: names.join(", "),
  look: (copy) => run(copy, names, limitOfAll)
})
