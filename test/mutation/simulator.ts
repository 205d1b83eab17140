/** The simulator as a catcher: it exits 1 when an invariant does not hold. */
import { type Catcher, tail } from "./catcher.js"
import * as processes from "./processes.js"

const limit = 300_000

/** The line of its summary that tells how many worlds failed. A simulator that dies has none. */
const summary = /^runs +([\d,]+, [\d,]+ failed)$/m

export const simulator: Catcher = {
  name: "simulator",
  look: async (copy) => {
    const args = ["run", "--silent", "simulate", "--", "--runs", "300", "--seed", "1"]
    const { code, output } = await processes.run(copy, "npm", args, limit)
    if (code === undefined) return { _tag: "Caught", by: `simulator: time limit of ${limit / 1000} s` }
    if (code === 0) return { _tag: "Missed" }
    const worlds = summary.exec(output)?.[1]
    return code === 1 && worlds !== undefined
      ? { _tag: "Caught", by: `simulator: ${worlds}` }
      : { _tag: "Broken", why: `the simulator ended with ${code}:\n${tail(output, 20)}` }
  }
}
