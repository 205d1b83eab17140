/** A process that runs every so-manieth world, and tells its parent of each. */
import { Effect } from "effect"
import type { Failure } from "./report.js"
import { scenario } from "./scenario.js"
import { shrink } from "./shrink.js"
import { type Outcome, run } from "./world.js"

export interface Order {
  readonly seed: number
  readonly runs: number
  readonly step: number
}

export interface Result {
  readonly outcome: Pick<Outcome, "counts" | "virtual">
  readonly failure: Failure | undefined
}

const work = ({ runs, seed, step }: Order): Effect.Effect<void> =>
  Effect.gen(function* () {
    let hasShrunk = false
    for (let i = 0; i < runs; i++) {
      const made = scenario(seed + i * step)
      const { counts, violations, virtual, ...outcome } = yield* run(made)
      let failure: Failure | undefined
      if (violations.length > 0 && !hasShrunk) {
        hasShrunk = true
        const found = yield* shrink(made, { counts, violations, virtual, ...outcome })
        failure = { scenario: found.scenario, violations: found.outcome.violations, lines: found.outcome.lines }
      } else if (violations.length > 0) {
        failure = { scenario: made, violations, lines: undefined }
      }
      process.send?.({ outcome: { counts, virtual }, failure } satisfies Result)
    }
  })

process.once("message", (order: Order) => {
  void Effect.runPromise(work(order)).then(
    () => process.disconnect(),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    }
  )
})
