/** Cuts the plan of a failing world down to the faults that its failure needs. */
import { Effect } from "effect"
import type { FaultPlan } from "holdfast/testing"
import type { Scenario } from "./scenario.js"
import { type Outcome, run } from "./world.js"

/** How many worlds may be tried. */
const budget = 200

/** What kind of failure it is: `invariant 1`. */
const kindOf = ({ violations }: Outcome): string | undefined => violations[0]?.split(":")[0]

export interface Shrunk {
  readonly scenario: Scenario
  readonly outcome: Outcome
}

export const shrink = (
  scenario: Scenario,
  outcome: Outcome,
  runWorld: (scenario: Scenario) => Effect.Effect<Outcome> = run
): Effect.Effect<Shrunk> =>
  Effect.gen(function* () {
    const kind = kindOf(outcome)
    let best: Shrunk = { scenario, outcome }
    let tried = 0

    /** Takes the plan if the world still fails in the same way. */
    const attempt = (plan: FaultPlan.FaultPlan) =>
      Effect.gen(function* () {
        if (tried++ >= budget) return false
        const smaller = { ...scenario, plan }
        const outcome = yield* runWorld(smaller)
        if (kindOf(outcome) !== kind) return false
        best = { scenario: smaller, outcome }
        return true
      })

    // Halves, quarters … single faults are left out.
    for (let size = Math.ceil(best.scenario.plan.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let start = 0; start < best.scenario.plan.length; ) {
        const { plan } = best.scenario
        const isTaken = yield* attempt([...plan.slice(0, start), ...plan.slice(start + size)])
        if (!isTaken) start += size
      }
    }
    // What lasts is made shorter.
    for (let index = 0; index < best.scenario.plan.length; index++) {
      let isShorter = true
      while (isShorter) {
        const plan = best.scenario.plan.map((planned, i) => (i === index ? shorter(planned) : planned))
        isShorter = plan[index] !== best.scenario.plan[index] && (yield* attempt(plan))
      }
    }
    return best
  })

type Planned = FaultPlan.FaultPlan[number]

const shorter = (planned: Planned): Planned =>
  "millis" in planned.fault && planned.fault.millis > 1
    ? { ...planned, fault: { ...planned.fault, millis: Math.floor(planned.fault.millis / 2) } }
    : planned
