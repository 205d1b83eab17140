import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Supervisor, TestClock } from "effect"
import * as fc from "fast-check"
import * as timerQueue from "../../src/connection/timerQueue.js"
import { settle } from "../support/virtual.js"

/** Notes the times at which it falls due; `again` says when next. */
class Noted extends timerQueue.Task {
  readonly times: Array<number> = []
  defect: unknown

  constructor(private readonly again: (now: number) => number | undefined = () => undefined) {
    super()
  }

  due(now: number): number | undefined {
    this.times.push(now)
    return this.again(now)
  }

  died(defect: unknown): void {
    this.defect = defect
  }
}

describe("A timer queue", () => {
  it.scoped(
    "has each task fall due at exactly its time, whatever the order in which they are set, moved and removed",
    () =>
      Effect.gen(function* () {
        const step = fc.record({
          task: fc.nat(19),
          what: fc.constantFrom("set", "set", "set", "remove", "pass"),
          millis: fc.integer({ min: 1, max: 50 })
        })
        for (const steps of fc.sample(fc.array(step, { minLength: 30, maxLength: 120 }), { numRuns: 60, seed: 7 })) {
          const all = yield* timerQueue.make
          const tasks = Array.from({ length: 20 }, () => new Noted())
          const expected: Array<Array<number>> = tasks.map(() => [])
          const at: Array<number | undefined> = tasks.map(() => undefined)
          const clock = yield* Effect.clock
          for (const { millis, task: index, what } of steps) {
            const task = tasks[index]
            if (task === undefined) continue
            const now = clock.unsafeCurrentTimeMillis()
            if (what === "set") {
              all.set(task, now + millis)
              at[index] = now + millis
            } else if (what === "remove") {
              all.remove(task)
              at[index] = undefined
            } else {
              yield* TestClock.adjust(millis)
              for (const [i, due] of at.entries()) {
                if (due === undefined || due > now + millis) continue
                expected[i]?.push(due)
                at[i] = undefined
              }
            }
            assert.strictEqual(all.size, at.filter((due) => due !== undefined).length)
          }
          assert.deepStrictEqual(
            tasks.map(({ times }) => times),
            expected
          )
        }
      })
  )

  it.scoped("wakes earlier for a task that is due before the others", () =>
    Effect.gen(function* () {
      const all = yield* timerQueue.make
      const [late, early] = [new Noted(), new Noted()]
      all.set(late, 1000)
      yield* settle
      all.set(early, 10)
      yield* TestClock.adjust(9)
      assert.deepStrictEqual(early.times, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(early.times, [10])
      yield* TestClock.adjust(990)
      assert.deepStrictEqual(late.times, [1000])
    })
  )

  it.scoped("has tasks of one millisecond fall due in the order in which they were set, and again as they say", () =>
    Effect.gen(function* () {
      const all = yield* timerQueue.make
      const order: Array<string> = []
      const named = (name: string) =>
        new Noted((now) => {
          order.push(`${name} ${now}`)
          return now < 30 ? now + 10 : undefined
        })
      for (const name of ["a", "b", "c"]) all.set(named(name), 10)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        order,
        [10, 20, 30].flatMap((at) => ["a", "b", "c"].map((name) => `${name} ${at}`))
      )
      assert.strictEqual(all.size, 0)
    })
  )

  it.scoped("does not remember what came and went", () =>
    Effect.gen(function* () {
      const all = yield* timerQueue.make
      const [stays, goes] = [new Noted(), new Noted()]
      // Due before the others, which are not seen at the top of the heap, therefore.
      all.set(stays, 3)
      for (let n = 0; n < 10_000; n++) {
        all.set(goes, 1e6 + n)
        all.remove(goes)
      }
      assert.isBelow(all.remembered, 200)
      all.set(goes, 5)
      yield* TestClock.adjust(5)
      assert.deepStrictEqual([stays.times, goes.times], [[3], [5]])
    })
  )

  it.scoped("of which a task throws goes on with the others", () =>
    Effect.gen(function* () {
      const all = yield* timerQueue.make
      const wrong = new Noted(() => {
        throw new Error("no")
      })
      const right = new Noted((now) => now + 10)
      all.set(wrong, 10)
      all.set(right, 10)
      yield* TestClock.adjust(30)
      assert.deepStrictEqual(wrong.times, [10])
      assert.instanceOf(wrong.defect, Error)
      assert.deepStrictEqual(right.times, [10, 20, 30])
    })
  )

  it.scoped("lets a task remove itself and set another while it is due", () =>
    Effect.gen(function* () {
      const all = yield* timerQueue.make
      const other = new Noted()
      const self: Noted = new Noted((now) => {
        all.remove(self)
        all.set(other, now + 5)
        return now + 1
      })
      all.set(self, 10)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(self.times, [10])
      assert.deepStrictEqual(other.times, [15])
    })
  )

  it.scoped("has a fiber while something is due, and none otherwise", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const scope = yield* Scope.make()
      yield* Effect.gen(function* () {
        const all = yield* Scope.extend(timerQueue.make, scope)
        const fibers = Effect.map(supervisor.value, ({ length }) => length)
        assert.strictEqual(yield* fibers, 0)
        const task = new Noted()
        all.set(task, 10)
        assert.strictEqual(yield* fibers, 1)
        all.remove(task)
        yield* settle
        assert.strictEqual(yield* fibers, 0)
        all.set(task, 20)
        yield* TestClock.adjust(20)
        assert.deepStrictEqual(task.times, [20])
        yield* settle
        assert.strictEqual(yield* fibers, 0)
        all.set(task, 30)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* fibers, 0)
      }).pipe(Effect.supervised(supervisor))
    })
  )
})
