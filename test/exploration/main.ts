/** `npm run explore`: every interleaving within the bounds, also those that are too large for `npm test`. */
import { parseArgs } from "node:util"
import * as explorations from "./explorations.js"
import { explore, figures } from "./explore.js"
import { least } from "./rules.js"

const all: explorations.Explorations = { ...explorations.quick, ...explorations.large }

const help = `npm run explore -- [options]

Goes through every way in which the two ends of a session, its connections, two gateways and their store can come to
interleave, within bounds, and checks in each that nothing is lost, doubled or stuck. Takes about two minutes, and a gigabyte.

  --only WORDS   those whose names contain the words
  --list         print the names, and end
  --help         this text

Ends with 1 when something is wrong: it prints a shortest way to it.`

const options = () => {
  try {
    return parseArgs({
      options: {
        only: { type: "string", default: "" },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\nnpm run explore -- --help tells what there is.`)
    process.exit(2)
  }
}

const { help: isHelp, list, only } = options()
const chosen = Object.entries(all).filter(([name]) => name.includes(only))
if (isHelp) {
  console.log(help)
} else if (list) {
  for (const [name] of chosen) console.log(name)
} else if (chosen.length === 0) {
  console.error(`no name contains "${only}": npm run explore -- --list tells those that there are.`)
  process.exitCode = 2
} else {
  for (const [name, bounds] of chosen) {
    const explored = await explore({ ...least, ...bounds })
    console.log(`${name}: ${figures(explored)}`)
    if (explored.violation === undefined && explored.goals > 0) continue
    console.error(explored.violation ?? "nothing of it ever comes to its end")
    process.exitCode = 1
  }
}
