/** The command line. */
import { parseArgs } from "node:util"
import type { Workload } from "./workload.js"
import { workloads } from "./workloads.js"

export interface Options {
  readonly workloads: ReadonlyArray<Workload>
  /** Whether these were asked for by name, and are not just all that there are. */
  readonly areNamed: boolean
  /** Undefined: as many, and as long, as is usual for a workload. */
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  /** The only server that is measured, if one is named. */
  readonly server: string | undefined
  readonly json: boolean
  /** A file for the picture of the results. */
  readonly plot: string | undefined
  /** A directory for the servers' CPU profiles. */
  readonly profile: string | undefined
  /** Whether the modules are listed that a bundle is made of. */
  readonly modules: boolean
}

/** What is usual where a workload says nothing else. */
export const defaults = { rounds: 5, seconds: 2 }

export class UsageError extends Error {}

/** Words in lines of a terminal's width, behind a column of names. */
const beside = (column: number, text: string): string => {
  const lines = [""]
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? ""
    if (line !== "" && column + line.length + 1 + word.length > 79) lines.push(word)
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`
  }
  return lines.join(`\n${" ".repeat(column)}`)
}

const describe = ({ about, contenders, name }: Workload): string =>
  `  ${name.padEnd(14)}${beside(16, `${about} (${contenders.map((contender) => contender.name).join(", ")})`)}`

export const help = `npm run bench -- [options] [workload ...]

Holdfast beside others: each server in a process of its own, restarted for
every sample; this process is the load. CPU and memory are the servers' as
Linux accounts them. Of the rounds the median is shown, with their range.

workloads (all of these when none is named; "fanout" means each fanout-…;
ratios are to the first in brackets):
${workloads
  .filter(({ onlyNamed }) => onlyNamed !== true)
  .map(describe)
  .join("\n")}

workloads that run only when they are named ("cluster" means each cluster-…,
for which redis-server must be installed):
${workloads
  .filter(({ onlyNamed }) => onlyNamed === true)
  .map(describe)
  .join("\n")}

options:
  --rounds N     samples of each workload and server, taken in turn (${defaults.rounds}; soak: 1)
  --seconds N    how long a workload that has a duration is measured
                 (${defaults.seconds}; heartbeat: at least 5; soak: 600)
  --server NAME  measures this one only, compared with nothing
  --json         one line of JSON for each workload and server
  --plot FILE    draws the results there, as SVG
  --profile DIR  leave each server's CPU profile there (and slow it down)
  --modules      also lists the largest modules of each bundle (size)
  --help
`

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--${name} takes a positive number, not "${text}"`)
}

/** What a name on the command line means: the workload of that name, or else the group. */
const named = (by: string): ReadonlyArray<Workload> => {
  const exact = workloads.filter(({ name }) => name === by)
  const found = exact.length > 0 ? exact : workloads.filter(({ name }) => name.startsWith(`${by}-`))
  if (found.length > 0) return found
  throw new UsageError(`there is no workload "${by}", only ${workloads.map((known) => known.name).join(", ")}`)
}

/** `undefined` when help was asked for. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { positionals, values } = read(args)
  if (values.help) return undefined
  const rounds = values.rounds === undefined ? undefined : positive("rounds", values.rounds)
  if (rounds !== undefined && !Number.isInteger(rounds))
    throw new UsageError(`--rounds takes a whole number, not "${values.rounds}"`)
  const asked = new Set(positionals.flatMap(named))
  const { server } = values
  const known = new Set(workloads.flatMap(({ contenders }) => contenders.map(({ name }) => name)))
  if (server !== undefined && !known.has(server)) {
    throw new UsageError(`there is no server "${server}", only ${[...known].join(", ")}`)
  }
  return {
    workloads: workloads.filter((workload) => (asked.size === 0 ? workload.onlyNamed !== true : asked.has(workload))),
    areNamed: positionals.length > 0,
    rounds,
    seconds: values.seconds === undefined ? undefined : positive("seconds", values.seconds),
    server: values.server,
    json: values.json,
    plot: values.plot,
    profile: values.profile,
    modules: values.modules
  }
}

const read = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        seconds: { type: "string" },
        server: { type: "string" },
        json: { type: "boolean", default: false },
        plot: { type: "string" },
        profile: { type: "string" },
        modules: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
