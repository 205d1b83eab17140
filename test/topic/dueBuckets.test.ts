/** Due buckets against the plainest thing that does the same. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Due, DueBuckets } from "../../src/topic/dueBuckets.js"

class Item implements Due<Item> {
  dueAt: number | undefined
  dueBefore: Item | undefined
  dueAfter: Item | undefined
}

const count = 8

const move = fc.oneof(
  // Few minutes, so that buckets hold several.
  fc.record({ tag: fc.constant("set"), item: fc.nat(count - 1), at: fc.nat(180_000) }),
  fc.record({ tag: fc.constant("remove"), item: fc.nat(count - 1), at: fc.constant(0) }),
  fc.record({ tag: fc.constant("take"), item: fc.constant(0), at: fc.nat(200_000) })
)

describe("Due buckets", () => {
  it("give just those that are due, each once, whatever was set, moved and removed before", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60, size: "max" }), (moves) => {
        const buckets = new DueBuckets<Item>()
        const items = Array.from({ length: count }, () => new Item())
        const model = new Map<Item, number>()
        const take = (now: number) => {
          const due = items.filter((item) => (model.get(item) ?? now) < now)
          const taken = buckets.take(now)
          assert.lengthOf(taken, due.length)
          assert.sameMembers([...taken], due)
          for (const item of due) model.delete(item)
        }
        for (const { at, item: index, tag } of moves) {
          const item = items[index] ?? assert.fail("no such item")
          if (tag === "take") take(at)
          else if (tag === "set") {
            buckets.set(item, at)
            model.set(item, at)
          } else {
            buckets.remove(item)
            model.delete(item)
          }
          assert.strictEqual(item.dueAt, model.get(item))
        }
        take(1_000_000)
        for (const { dueAfter, dueBefore } of items) assert.isTrue(dueBefore === undefined && dueAfter === undefined)
      }),
      { numRuns: 500 }
    )
  })
})
