/** The command line. */
import { parseArgs } from "node:util"
import { peers } from "./peers.js"
import type { Workload } from "./workload.js"
import { workloads } from "./workloads.js"

export interface Options {
  readonly workloads: ReadonlyArray<Workload>
  readonly rounds: number
  readonly seconds: number
  readonly json: boolean
  /** A directory for the servers' CPU profiles. */
  readonly profile: string | undefined
}

export class UsageError extends Error {}

export const help = `npm run bench -- [options] [workload ...]

Holdfast beside bare ws: each server in a process of its own, restarted for
every sample; this process is the load. CPU and memory are the servers' as
Linux accounts them. Of the rounds the median is shown, with their range.

workloads (all of them unless named):
${workloads.map(({ about, name }) => `  ${name.padEnd(8)} ${about}`).join("\n")}

servers: ${peers.map(({ name }) => name).join(", ")}

options:
  --rounds N     samples of each workload and server, taken in turn (3)
  --seconds N    how long a workload that has a duration is measured (3)
  --json         one line of JSON for each workload and server
  --profile DIR  leave each server's CPU profile there (and slow it down)
  --help
`

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--${name} takes a positive number, not "${text}"`)
}

/** `undefined` when help was asked for. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { positionals, values } = read(args)
  if (values.help) return undefined
  const rounds = positive("rounds", values.rounds)
  if (!Number.isInteger(rounds)) throw new UsageError(`--rounds takes a whole number, not "${values.rounds}"`)
  for (const name of positionals) {
    if (workloads.every((workload) => workload.name !== name)) {
      throw new UsageError(`there is no workload "${name}", only ${workloads.map((known) => known.name).join(", ")}`)
    }
  }
  return {
    workloads: workloads.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    rounds,
    seconds: positive("seconds", values.seconds),
    json: values.json,
    profile: values.profile
  }
}

const read = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "3" },
        json: { type: "boolean", default: false },
        profile: { type: "string" },
        help: { type: "boolean", short: "h", default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
