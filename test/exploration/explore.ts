/**
 * Explores every world that can be reached, breadth first, so that what is
 * found wrong is found with a shortest trace; then finds those from which the
 * goal cannot be reached any more.
 */
import { setImmediate } from "node:timers/promises"
import { Encoding } from "./encoding.js"
import { independent } from "./independence.js"
import { flaw } from "./invariants.js"
import { normal } from "./normal.js"
import { prompt } from "./prompt.js"
import { type Bounds, Broken, type Rules, rules as real } from "./rules.js"
import { show } from "./show.js"
import { IntList, StateTable } from "./stateTable.js"
import { isGoal, transitions } from "./transitions.js"
import { initial } from "./world.js"

export interface Explored {
  readonly states: number
  readonly transitions: number
  /** Steps of the longest of the shortest ways from the first world. */
  readonly deepest: number
  readonly goals: number
  readonly seconds: number
  /** What is wrong, and how it comes about. */
  readonly violation: string | undefined
}

export const explore = (bounds: Bounds, rules: Rules = real): Promise<Explored> => new Exploration(bounds, rules).run()

/** States that are looked at before others have their turn: a test runner wants to hear from its worker. */
const turn = 20_000

class Exploration {
  private readonly encoding = new Encoding()
  private readonly table = new StateTable(this.encoding.width)
  private readonly parents = new IntList()
  private readonly depths = new IntList()
  /** Where the edges of each state begin in `targets`; those that are faults are not among them. */
  private readonly edges = new IntList()
  private readonly targets = new IntList()
  private readonly goals = new IntList()
  private readonly scratch = new Int32Array(this.encoding.width)
  private count = 0
  private violation: string | undefined

  private readonly rules: Rules

  constructor(
    private readonly bounds: Bounds,
    rules: Rules
  ) {
    this.rules = bounds.isReduced ? { ...rules, step: independent(rules.step) } : rules
  }

  async run(): Promise<Explored> {
    const start = performance.now()
    this.encoding.encode(initial(this.rules, this.bounds), this.scratch)
    this.add(-1)
    for (let state = 0; state < this.table.size && this.violation === undefined; state++) {
      this.expand(state)
      if (state % turn === turn - 1) await setImmediate()
    }
    if (this.violation === undefined) this.findStuck()
    return {
      states: this.table.size,
      transitions: this.count,
      deepest: this.depths.at(this.table.size - 1),
      goals: this.goals.length,
      seconds: (performance.now() - start) / 1000,
      violation: this.violation
    }
  }

  private add(parent: number): number {
    const before = this.table.size
    const state = this.table.add(this.scratch)
    if (state === before) {
      this.parents.push(parent)
      this.depths.push(parent < 0 ? 0 : this.depths.at(parent) + 1)
    }
    return state
  }

  private expand(state: number): void {
    const world = this.encoding.decode(this.table.get(state))
    const wrong = flaw(this.bounds, world)
    if (wrong !== undefined) return this.found(`does not hold: ${wrong}`, state)
    if (isGoal(world)) this.goals.push(state)
    this.edges.push(this.targets.length)
    transitions(this.rules, this.bounds, world, (label, run, isFault = false) => {
      if (this.violation !== undefined) return
      try {
        this.encoding.encode(normal(this.bounds, prompt(this.rules, this.bounds, run())), this.scratch)
      } catch (error) {
        if (!(error instanceof Broken)) throw error
        return this.found(`${label}: ${error.message}`, state)
      }
      this.count++
      const target = this.add(state)
      if (!isFault) this.targets.push(target)
    })
  }

  /** Backwards from the goals, over everything that is no fault: what is not met is stuck. */
  private findStuck(): void {
    const { size } = this.table
    const isGood = new Uint8Array(size)
    for (let i = 0; i < this.goals.length; i++) isGood[this.goals.at(i)] = 1
    this.edges.push(this.targets.length)
    // Most ways lead to later states: few rounds are needed.
    for (let hasChanged = true; hasChanged; ) {
      hasChanged = false
      for (let state = size - 1; state >= 0; state--) {
        if (isGood[state] === 1) continue
        for (let edge = this.edges.at(state); edge < this.edges.at(state + 1); edge++) {
          if (isGood[this.targets.at(edge)] === 0) continue
          isGood[state] = 1
          hasChanged = true
          break
        }
      }
    }
    const stuck = isGood.indexOf(0)
    if (stuck >= 0) this.found("stuck: from here nothing leads to the goal but another fault", stuck)
  }

  private found(words: string, state: number): void {
    const way: Array<number> = []
    for (let at = state; at >= 0; at = this.parents.at(at)) way.unshift(at)
    const lines = way.map((at, i) => {
      const world = this.encoding.decode(this.table.get(at))
      return `${i}. ${i === 0 ? "at first" : this.labelOf(way[i - 1] ?? 0, at)}\n${show(world)}`
    })
    this.violation = `${words}\n${lines.join("\n")}\n=> ${words}`
  }

  /** How the one state becomes the other. */
  private labelOf(from: number, to: number): string {
    let found = ""
    transitions(this.rules, this.bounds, this.encoding.decode(this.table.get(from)), (label, run) => {
      if (found !== "") return
      try {
        this.encoding.encode(normal(this.bounds, prompt(this.rules, this.bounds, run())), this.scratch)
      } catch {
        return // another way that is wrong
      }
      if (this.table.add(this.scratch) === to) found = label
    })
    return found
  }
}

/** Figures of an exploration, in a line. */
export const figures = ({ deepest, seconds, states, transitions }: Explored): string => {
  const shown = (n: number) => n.toLocaleString("en-US")
  return `explored ${shown(states)} states, ${shown(transitions)} transitions, deepest ${deepest}, in ${seconds.toFixed(1)} s`
}
