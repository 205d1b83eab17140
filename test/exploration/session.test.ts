/**
 * Every way in which the two ends of a session, its connections, two gateways
 * and their store can come to interleave, within bounds: the real
 * `Session.step` drives both ends. The larger bounds are `npm run explore`'s.
 */
import { assert, describe, it } from "@effect/vitest"
import { limit } from "../support/patience.js"
import { quick } from "./explorations.js"
import { explore, figures } from "./explore.js"
import { least } from "./rules.js"

describe("A session, explored exhaustively", () => {
  for (const [name, bounds] of Object.entries(quick)) {
    it(
      `${name}: nothing is lost, doubled or stuck`,
      async () => {
        const explored = await explore({ ...least, ...bounds })
        console.log(`${name}: ${figures(explored)}`)
        assert.strictEqual(explored.violation, undefined)
        assert.isAbove(explored.goals, 0)
      },
      limit
    )
  }
})
