/** The command line. */
import { parseArgs } from "node:util"

export interface Options {
  readonly only: string
  readonly list: boolean
  readonly jobs: number
  readonly allTests: boolean
}

export class UsageError extends Error {}

export const help = `npm run mutate -- [options]

Makes deliberate mistakes in copies of the source, one at a time, and shows for
each which test fails because of it. Exits 1 when no test notices one of them.
The faults are listed in test/mutation/faults.

options:
  --only TEXT    only the faults whose name contains this
  --list         show the faults, and run nothing
  --jobs N       copies that are worked on at the same time (2)
  --all-tests    run the whole suite for each fault, not the files it names
  --help
`

/** `undefined` when help was asked for. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { "all-tests": allTests, help: wantsHelp, jobs, list, only } = read(args)
  if (wantsHelp) return undefined
  if (!/^[1-9]\d?$/.test(jobs)) throw new UsageError(`--jobs takes a whole number from 1 to 99, not "${jobs}"`)
  return { only, list, jobs: Number(jobs), allTests }
}

const read = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string", default: "" },
        list: { type: "boolean", default: false },
        jobs: { type: "string", default: "2" },
        "all-tests": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false }
      }
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
