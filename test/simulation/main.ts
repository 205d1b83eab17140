/** `npm run simulate`: whole worlds under drawn plans of faults, in virtual time. */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import * as report from "./report.js"
import { scenario } from "./scenario.js"
import type { Order, Result } from "./worker.js"
import { run } from "./world.js"

const help = `npm run simulate -- [options]

Runs whole worlds (clients, gateways that share a store and a broker) under drawn plans of faults, in virtual
time, and checks in each that nothing is lost, processed twice, late, or left behind (the design's invariants).
The same seed is the same world, event by event.

  --runs N   how many worlds (default 1000)
  --seed S   the seed of the first; those that follow count up (default 1)
  --jobs J   processes (default 2)
  --trace    print the faults and the events of every world; for a few runs
  --help     this text

Ends with 1 when a world failed: it prints the seed, the faults that the failure needs, and the events.`

const fail = (message: string): never => {
  console.error(`${message}\nnpm run simulate -- --help tells what there is.`)
  process.exit(2)
}

const options = () => {
  try {
    return parseArgs({
      options: {
        runs: { type: "string", default: "1000" },
        seed: { type: "string", default: "1" },
        jobs: { type: "string", default: "2" },
        trace: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const whole = (name: string, text: string, least: number): number => {
  const value = Number(text)
  return Number.isSafeInteger(value) && value >= least
    ? value
    : fail(`--${name} is a whole number from ${least} on, not "${text}"`)
}

const { help: isHelp, trace, ...texts } = options()
if (isHelp) {
  console.log(help)
  process.exit(0)
}
const runs = whole("runs", texts.runs, 1)
const seed = whole("seed", texts.seed, 0)
const jobs = Math.min(whole("jobs", texts.jobs, 1), runs)

const totals = new report.Totals()
const failures: Array<report.Failure> = []
const startedAt = performance.now()
const finish = (status: number): never => {
  for (const failure of failures) console.log(report.failure(failure))
  console.log(report.summary(totals, failures.length, performance.now() - startedAt))
  process.exit(status)
}

if (trace) {
  for (let i = 0; i < runs; i++) {
    const made = scenario(seed + i)
    const outcome = await Effect.runPromise(run(made))
    totals.add(outcome)
    console.log([report.world(made), ...outcome.lines].join("\n"))
    if (outcome.violations.length > 0)
      failures.push({ scenario: made, violations: outcome.violations, lines: undefined })
  }
  finish(failures.length > 0 ? 1 : 0)
}

const workers: Array<ChildProcess> = []
const stop = (status: number): never => {
  for (const worker of workers) worker.kill("SIGKILL")
  return finish(status)
}
process.once("SIGINT", () => stop(130))
process.once("SIGTERM", () => stop(143))

const progress = setInterval(() => {
  const seconds = (performance.now() - startedAt) / 1000
  const left = totals.runs === 0 ? "" : `, about ${Math.ceil((seconds / totals.runs) * (runs - totals.runs))} s to go`
  console.error(`${totals.runs} of ${runs} worlds, ${failures.length} failed, ${Math.round(seconds)} s${left}`)
}, 5000)

const work = (index: number) =>
  new Promise<void>((resolve) => {
    const worker = fork(fileURLToPath(new URL("./worker.ts", import.meta.url)))
    workers.push(worker)
    worker.on("message", ({ failure, outcome }: Result) => {
      totals.add(outcome)
      if (failure !== undefined) failures.push(failure)
    })
    worker.once("exit", (code, signal) => {
      if (code === 0) return resolve()
      console.error(`a worker ended with ${signal ?? code}`)
      stop(1)
    })
    worker.send({ seed: seed + index, runs: Math.ceil((runs - index) / jobs), step: jobs } satisfies Order)
  })

await Promise.all(Array.from({ length: jobs }, (_, index) => work(index)))
clearInterval(progress)
finish(failures.length > 0 ? 1 : 0)
