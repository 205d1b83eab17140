/** `npm run mutate -- --help` */
import { fileURLToPath } from "node:url"
import type { Catcher, Finding } from "./catcher.js"
import * as copies from "./copy.js"
import { check, type Fault, type Group } from "./fault.js"
import { groups } from "./faults.js"
import { help, type Options, parse, UsageError } from "./options.js"
import * as processes from "./processes.js"
import * as report from "./report.js"
import { simulator } from "./simulator.js"
import * as tests from "./tests.js"

const root = fileURLToPath(new URL("../../", import.meta.url))

const progress = (text: string): void => void process.stderr.write(text)

/** Works through the jobs, one in each copy at a time; results in the order of the jobs. */
const inTurn = async <A, B>(
  copied: ReadonlyArray<string>,
  jobs: ReadonlyArray<A>,
  work: (copy: string, job: A) => Promise<B>
): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  const queue = [...jobs.entries()]
  const worker = async (copy: string): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [at, job] = next
      results[at] = await work(copy, job)
    }
  }
  await Promise.all(copied.map(worker))
  return results
}

// ---- before any fault

/** A source that throws when it is loaded, with a word that nothing else says. */
const canary: Fault = {
  name: "the tests of a copy run the source of that copy",
  file: "src/protocol/CloseCode.ts",
  find: "export const CloseCode = {",
  replace: 'throw new Error("the source of the copy")\nexport const CloseCode = {',
  caughtBy: ["test/badInput/options.test.ts"]
}

/** Without this every other result would be worth nothing. */
const proveCopies = async (copied: ReadonlyArray<string>): Promise<void> => {
  await inTurn(copied, copied, (_, copy) =>
    copies.withFault(copy, canary, async () => {
      const found = await tests.files(canary.caughtBy).look(copy)
      if (found._tag === "Broken" && found.why.includes("the source of the copy")) return
      throw new Error(`the tests of the copy in ${copy} do not run its source: ${JSON.stringify(found)}`)
    })
  )
}

/** Each worker's share of the test files, dealt out like cards. */
const dealt = (files: ReadonlyArray<string>, hands: number): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: hands }, (_, hand) => files.filter((__, at) => at % hands === hand)).filter(
    (hand) => hand.length > 0
  )

const proveBaseline = async (copied: ReadonlyArray<string>, catchers: ReadonlyArray<Catcher>): Promise<void> => {
  await inTurn(copied, catchers, async (copy, catcher) => {
    const found = await catcher.look(copy)
    if (found._tag === "Caught") throw new Error(`without any fault this fails: ${found.by}`)
    if (found._tag === "Broken") throw new Error(`without any fault: ${found.why}`)
  })
}

const baselineOf = (faults: ReadonlyArray<Fault>, options: Options): ReadonlyArray<Catcher> => {
  const files = [...new Set(faults.flatMap(({ caughtBy }) => caughtBy))]
  const suites = options.allTests ? [tests.all] : dealt(files, options.jobs).map(tests.files)
  return faults.some(({ simulate }) => simulate === true) ? [...suites, simulator] : suites
}

// ---- the faults

/** What the first of them says that catches it, or that cannot be run. */
const firstOf = async (catchers: ReadonlyArray<Catcher>, copy: string): Promise<Finding> => {
  for (const catcher of catchers) {
    const found = await catcher.look(copy)
    if (found._tag !== "Missed") return found
  }
  return { _tag: "Missed" }
}

const tryOne = (copy: string, fault: Fault, options: Options): Promise<report.Result> =>
  copies.withFault(copy, fault, async () => {
    const from = performance.now()
    const found = await firstOf(options.allTests ? [tests.all] : fault.caughtBy.map(tests.file), copy)
    const simulated = fault.simulate === true ? await simulator.look(copy) : undefined
    return { fault, tests: found, simulator: simulated, seconds: (performance.now() - from) / 1000 }
  })

const run = async (chosen: ReadonlyArray<Group>, options: Options): Promise<boolean> => {
  const faults = chosen.flatMap((group) => group.faults)
  const from = performance.now()
  const elapsed = () => `${((performance.now() - from) / 1000).toFixed(0)} s`
  const copied = Array.from({ length: Math.min(options.jobs, faults.length) }, () => copies.make(root))
  await proveCopies(copied)
  progress(`without a fault: ${options.allTests ? "all tests" : "all test files that are named"} …\n`)
  await proveBaseline(copied, baselineOf(faults, options))
  progress(`… pass (${elapsed()})\n`)
  let done = 0
  const results = await inTurn(copied, faults, async (copy, fault) => {
    const result = await tryOne(copy, fault, options)
    const what = report.isCaught(result) ? "caught" : "NOT CAUGHT"
    progress(`${++done}/${faults.length} ${what} in ${result.seconds.toFixed(1)} s: ${fault.name}\n`)
    return result
  })
  const caught = results.filter(report.isCaught).length
  process.stdout.write(report.table(chosen, results))
  process.stdout.write(`\n${caught} of ${faults.length} faults were caught (${elapsed()})\n`)
  return caught === faults.length
}

const main = async (): Promise<number> => {
  const options = parse(process.argv.slice(2))
  if (options === undefined) {
    process.stdout.write(help)
    return 0
  }
  const wanted = options.only.toLowerCase()
  const chosen = groups.map(({ faults, title }) => ({
    title,
    faults: faults.filter(({ name }) => name.toLowerCase().includes(wanted))
  }))
  if (chosen.every(({ faults }) => faults.length === 0)) throw new UsageError(`no fault's name contains "${wanted}"`)
  check(root, [canary, ...groups.flatMap(({ faults }) => faults)])
  if (options.list) {
    process.stdout.write(report.listed(chosen))
    return 0
  }
  return (await run(chosen, options)) ? 0 : 1
}

process.on("exit", () => {
  processes.killAll()
  copies.removeAll()
})
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const) {
  process.on(signal, () => process.exit(code))
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    progress(`mutate: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  }
)
