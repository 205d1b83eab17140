/** What a simulation has found, in figures and in words. */
import { FaultPlan } from "holdfast/testing"
import type { Scenario } from "./scenario.js"
import type { Outcome } from "./world.js"

/** One failing world. */
export interface Failure {
  readonly scenario: Scenario
  readonly violations: ReadonlyArray<string>
  /** With the plan cut down, for the first failure of a worker. */
  readonly lines: ReadonlyArray<string> | undefined
}

export class Totals {
  runs = 0
  virtual = 0
  readonly faults: Record<string, number> = {}
  connects = 0
  resumes = 0
  resets = 0
  drains = 0
  delivered = 0

  add({ counts, virtual }: Pick<Outcome, "counts" | "virtual">): void {
    this.runs++
    this.virtual += virtual
    this.connects += counts.connects
    this.resumes += counts.resumes
    this.resets += counts.resets
    this.drains += counts.drains
    this.delivered += counts.delivered
    for (const [kind, count] of Object.entries(counts.faults)) this.faults[kind] = (this.faults[kind] ?? 0) + count
  }
}

const n = (value: number): string => value.toLocaleString("en-US")

const duration = (millis: number): string => {
  const hours = millis / 3_600_000
  return hours < 48 ? `${hours.toFixed(1)} hours` : `${n(Math.round(hours / 24))} days`
}

export const summary = (totals: Totals, failures: number, wallMillis: number): string =>
  [
    `runs                ${n(totals.runs)}, ${n(failures)} failed`,
    `faults              ${n(Object.values(totals.faults).reduce((sum, count) => sum + count, 0))}`,
    ...FaultPlan.kinds.map((kind) => `  ${kind.padEnd(18)}${n(totals.faults[kind] ?? 0)}`),
    `orderly restarts    ${n(totals.drains)}`,
    `connections         ${n(totals.connects)}`,
    `  resumed           ${n(totals.resumes)}`,
    `  reset             ${n(totals.resets)}`,
    `messages delivered  ${n(totals.delivered)}`,
    `virtual time        ${duration(totals.virtual)}`,
    `wall time           ${(wallMillis / 1000).toFixed(1)} s`
  ].join("\n")

export const world = ({ plan, ...scenario }: Scenario): string =>
  [
    `world ${JSON.stringify(scenario)}`,
    plan.length === 0 ? "no faults" : "faults, in milliseconds from the plan's beginning:",
    ...plan.map(({ at, fault }) => `${String(at).padStart(8)} ${FaultPlan.describe(fault)}`)
  ].join("\n")

export const failure = ({ lines, scenario, violations }: Failure): string =>
  lines === undefined
    ? `seed ${scenario.seed}: ${violations[0]}`
    : [
        `seed ${scenario.seed} failed; its plan, cut down to what the failure needs:`,
        world(scenario),
        "events of all ends:",
        ...lines,
        "violations:",
        ...violations.map((violation) => `  ${violation}`),
        `again: npm run simulate -- --runs 1 --seed ${scenario.seed} --trace`
      ].join("\n")
