/** The explorer can fail: it finds out sessions that are wrong, each in one way. */
import { assert, describe, it } from "@effect/vitest"
import { breaks, worlds } from "./breaks.js"
import { type Explored, explore, figures } from "./explore.js"
import { least, type Rules } from "./rules.js"

/** The first world in which something is wrong. */
const find = async (rules: Rules): Promise<Explored | undefined> => {
  for (const bounds of worlds) {
    const explored = await explore(bounds, rules)
    if (explored.violation !== undefined) return explored
  }
  return undefined
}

describe("The explorer", () => {
  it("finds nothing in the same worlds when nothing is wrong", async () => {
    for (const bounds of worlds) assert.strictEqual((await explore(bounds)).violation, undefined)
  })

  for (const [name, rules] of Object.entries(breaks)) {
    it(`finds out a session that ${name}`, async () => {
      const found = await find(rules)
      assert.isDefined(found?.violation, "nothing was found")
      console.log(`${name}: ${found && figures(found)}\n  ${found?.violation?.split("\n").at(-1)}`)
    })
  }

  it("tells how what is wrong comes about, step by step", async () => {
    const found = await find(breaks["delivers what was here before"] as Rules) // it is there
    const lines = found?.violation?.split("\n") ?? []
    const steps = lines.filter((line) => /^\d+\. /.test(line))
    assert.strictEqual(steps[0], "0. at first")
    assert.strictEqual(steps.at(-1), `${steps.length - 1}. A reads`)
    assert.isTrue(lines.some((line) => line.trim().startsWith("client: ")))
    assert.isTrue(lines.some((line) => line.trim().startsWith("gateway A: ")))
  })

  it("finds the same when it puts aside what can make no difference, with fewer worlds", async () => {
    const all = await explore({ ...least, cuts: 2, isReduced: false })
    const reduced = await explore({ ...least, cuts: 2 })
    assert.strictEqual(all.violation, undefined)
    assert.strictEqual(reduced.violation, undefined)
    assert.isBelow(reduced.states * 2, all.states)
  })
})
