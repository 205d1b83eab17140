/**
 * Long runs of two sessions, both ends driven by the real `Session.step`: the
 * explorer's world with bounds that no exploration could exhaust, walked
 * through at random.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { flaw } from "../exploration/invariants.js"
import { type Bounds, least, rules } from "../exploration/rules.js"
import { show } from "../exploration/show.js"
import { isGoal, transitions } from "../exploration/transitions.js"
import { initial, type World } from "../exploration/world.js"

const bounds: fc.Arbitrary<Bounds> = fc
  .record({
    clientMessages: fc.integer({ min: 1, max: 25 }),
    serverMessages: fc.integer({ min: 1, max: 25 }),
    window: fc.integer({ min: 1, max: 8 }),
    buffer: fc.integer({ min: 1, max: 12 }),
    cuts: fc.nat(20),
    gateways: fc.constantFrom(1, 2),
    moves: fc.nat(6),
    storeFailures: fc.nat(6),
    expiries: fc.nat(1),
    handlerFailures: fc.nat(1),
    withdrawals: fc.nat(6),
    parts: fc.boolean(),
    records: fc.integer({ min: 1, max: 3 })
  })
  .map((made) => ({ ...least, ...made, isReduced: false }))

interface Way {
  readonly label: string
  readonly run: () => World
  readonly isFault: boolean
}

const waysFrom = (bounds: Bounds, world: World): ReadonlyArray<Way> => {
  const ways: Array<Way> = []
  transitions(rules, bounds, world, (label, run, isFault = false) => ways.push({ label, run, isFault }))
  return ways
}

/** Goes the way that is chosen, a fault in one step of sixteen, and checks where it leads; a way that breaks a law throws. */
const step = (bounds: Bounds, ways: ReadonlyArray<Way>, choice: number): World => {
  const faults = ways.filter(({ isFault }) => isFault)
  const others = ways.filter(({ isFault }) => !isFault)
  const from = (choice % 16 === 0 && faults.length > 0) || others.length === 0 ? faults : others
  const way = from[Math.floor(choice / 16) % from.length]
  if (way === undefined) throw new Error("nothing can happen")
  const world = way.run()
  assert.isUndefined(flaw(bounds, world), `after "${way.label}":\n${show(world)}`)
  return world
}

/** A small generator of its own, so that what fails fails again. */
const seeded = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 8
  }
}

/** Without any more faults, until nothing more can happen; how many steps that took. */
const conclude = (bounds: Bounds, from: World, seed: number): readonly [World, number] => {
  const next = seeded(seed)
  let world = from
  for (let steps = 0; ; steps++) {
    const ways = waysFrom(bounds, world).filter(({ isFault }) => !isFault)
    if (ways.length === 0) return [world, steps]
    assert.isBelow(steps, 5000, `it goes on for ever:\n${show(world)}`)
    world = step(bounds, ways, next())
  }
}

describe("Two sessions, in a long run at random", () => {
  it("hold every law on the way, and end with everything processed and acknowledged, or for a reason", () => {
    let steps = 0
    let resumed = 0
    const property = fc.property(bounds, fc.integer(), fc.integer({ min: 0, max: 600 }), (made, seed, length) => {
      const next = seeded(seed)
      let world = initial(rules, made)
      for (let i = 0; i < length; i++) {
        const ways = waysFrom(made, world)
        if (ways.length === 0) break
        world = step(made, ways, next())
        steps++
      }
      const [last, more] = conclude(made, world, seed)
      steps += more
      resumed += last.client.end.state.generation - 1
      assert.isTrue(isGoal(last), `nothing more can happen, and it is not done:\n${show(last)}`)
      if (last.client.over === "") {
        assert.strictEqual(last.client.end.handled, made.serverMessages)
        assert.strictEqual(last.store.processed, made.clientMessages)
      }
    })
    fc.assert(property, { numRuns: 500 })
    console.log(`walked ${steps.toLocaleString("en-US")} steps, with ${resumed.toLocaleString("en-US")} resumes`)
    assert.isAbove(resumed, 100)
  })
})
