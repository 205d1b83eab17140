/** A program in virtual time: how its time passes, and how it ends. */
import { assert, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Random, Runtime, Schedule } from "effect"
import { VirtualTime } from "holdfast/testing"
import { now } from "./support.js"

const stuckOf = (exit: Exit.Exit<unknown, unknown>): VirtualTime.Stuck => {
  const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  assert.instanceOf(defect, VirtualTime.Stuck)
  return defect as VirtualTime.Stuck // The line above says so.
}

it.effect("time begins at 0, and a sleep takes exactly what it says", () =>
  VirtualTime.run(
    Effect.gen(function* () {
      assert.strictEqual(yield* now, 0)
      yield* Effect.sleep("1 hour")
      assert.strictEqual(yield* now, 3_600_000)
    })
  )
)

it.effect("a virtual hour of a timer every second takes less than a real minute", () =>
  Effect.gen(function* () {
    const before = performance.now()
    const ticks = yield* VirtualTime.run(
      Effect.gen(function* () {
        let ticks = 0
        const tick = Effect.sync(() => ticks++)
        yield* Effect.fork(Effect.repeat(tick, Schedule.spaced(1000)))
        yield* Effect.sleep("1 hour")
        return ticks
      })
    )
    assert.strictEqual(ticks, 3600)
    assert.isBelow(performance.now() - before, 60_000)
  })
)

it.effect("timers go off in the order of their time, and at one instant in the order in which they were set", () =>
  VirtualTime.run(
    Effect.gen(function* () {
      const seen: Array<string> = []
      const after = (millis: number, name: string) =>
        Effect.zipRight(
          Effect.sleep(millis),
          Effect.sync(() => seen.push(name))
        )
      yield* Effect.all([after(20, "c"), after(10, "a"), after(20, "d"), after(10, "b"), after(0, "0")], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(seen, ["0", "a", "b", "c", "d"])
    })
  )
)

it.effect("all that can happen at an instant happens before time goes on", () =>
  VirtualTime.run(
    Effect.gen(function* () {
      let steps = 0
      yield* Effect.fork(
        Effect.forEach(Array.from({ length: 5000 }), () =>
          Effect.zipRight(
            Effect.yieldNow(),
            Effect.sync(() => steps++)
          )
        )
      )
      yield* Effect.fork(
        Effect.promise(() =>
          Promise.resolve()
            .then(() => Promise.resolve())
            .then(() => steps++)
        )
      )
      yield* Effect.sleep(1)
      assert.strictEqual(steps, 5001)
    })
  )
)

it.effect("fibers of fibers are in the same time", () =>
  VirtualTime.run(
    Effect.gen(function* () {
      const nest = (depth: number): Effect.Effect<number> =>
        depth === 0 ? now : Effect.flatMap(Effect.fork(Effect.zipRight(Effect.sleep(10), nest(depth - 1))), Fiber.join)
      assert.strictEqual(yield* nest(5), 50)
      const runtime = yield* Effect.runtime()
      const forked = Runtime.runFork(runtime)(Effect.zipRight(Effect.sleep(10), now))
      assert.strictEqual(yield* Fiber.join(forked), 60)
    })
  )
)

it.effect("a timer that was cancelled does not let time pass", () =>
  VirtualTime.run(
    Effect.gen(function* () {
      const sleeping = yield* Effect.fork(Effect.sleep("1 hour"))
      yield* Effect.sleep(5)
      yield* Fiber.interrupt(sleeping)
      yield* Effect.timeoutOption(Effect.never, 5)
      assert.strictEqual(yield* now, 10)
    })
  )
)

it.effect("the result of the effect is the result of the run: a value, a failure, a defect", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* VirtualTime.run(Effect.delay(Effect.succeed(1), 10)), 1)
    assert.strictEqual(yield* Effect.flip(VirtualTime.run(Effect.delay(Effect.fail("no"), 10))), "no")
    assert.deepStrictEqual(yield* Effect.exit(VirtualTime.run(Effect.die("oh"))), Exit.die("oh"))
  })
)

it.effect("a program that waits for what nobody will do is stuck, at the time at which all fell quiet", () =>
  Effect.gen(function* () {
    const exit = yield* Effect.exit(VirtualTime.run(Effect.zipRight(Effect.sleep(1234), Effect.never)))
    const stuck = stuckOf(exit)
    assert.deepInclude(stuck, { millis: 1234, reason: "Quiet" })
    assert.include(stuck.message, "After 1234 ms of virtual time nothing is left that could happen")
  })
)

it.effect("a program that goes on for ever is stuck at its limit", () =>
  Effect.gen(function* () {
    let ticks = 0
    const forever = Effect.forever(
      Effect.zipRight(
        Effect.sleep(1000),
        Effect.sync(() => ticks++)
      )
    )
    const stuck = stuckOf(yield* Effect.exit(VirtualTime.run(forever, { limit: "1 minute" })))
    assert.deepInclude(stuck, { millis: 60_000, reason: "Late" })
    assert.include(stuck.message, "has not ended after 60000 ms of virtual time")
    assert.strictEqual(ticks, 60)
  })
)

it.effect("a sleep beyond the limit is stuck at the limit, and one up to it is not", () =>
  Effect.gen(function* () {
    yield* VirtualTime.run(Effect.sleep("1 minute"), { limit: "1 minute" })
    const stuck = stuckOf(yield* Effect.exit(VirtualTime.run(Effect.sleep("2 days"))))
    assert.deepInclude(stuck, { millis: 86_400_000, reason: "Late" })
  })
)

it.effect("without a limit a program that waits for nothing is stuck all the same", () =>
  Effect.gen(function* () {
    const exit = yield* Effect.exit(
      VirtualTime.run(Effect.zipRight(Effect.sleep("9 days"), Effect.never), { limit: Duration.infinity })
    )
    assert.strictEqual(stuckOf(exit).reason, "Quiet")
  })
)

it.effect("what is stuck is interrupted, and its finalizers have their time", () =>
  Effect.gen(function* () {
    const seen: Array<number> = []
    const finalizer = Effect.zipRight(
      Effect.sleep(50),
      Effect.map(now, (at) => seen.push(at))
    )
    const exit = yield* Effect.exit(
      VirtualTime.run(
        Effect.zipRight(
          Effect.sleep(100),
          Effect.onInterrupt(Effect.never, () => finalizer)
        )
      )
    )
    stuckOf(exit)
    assert.deepStrictEqual(seen, [150])
  })
)

it.effect("finalizers that are stuck too do not hold it up", () =>
  Effect.gen(function* () {
    stuckOf(yield* Effect.exit(VirtualTime.run(Effect.uninterruptible(Effect.never))))
    const forever = Effect.uninterruptible(Effect.forever(Effect.sleep("1 hour")))
    stuckOf(yield* Effect.exit(VirtualTime.run(forever, { limit: "1 day" })))
  })
)

it.effect("interrupted from outside, its finalizers run in virtual time before the interruption is over", () =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const begun = yield* Deferred.make<void>()
    const program = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.forever(Effect.sleep("1 hour"))).pipe(
      Effect.onInterrupt(() =>
        Effect.gen(function* () {
          const before = yield* now
          yield* Effect.sleep("10 minutes")
          seen.push(`${(yield* now) - before} ms later`)
        })
      )
    )
    const running = yield* Effect.fork(VirtualTime.run(program, { limit: Duration.infinity }))
    yield* Deferred.await(begun)
    const exit = yield* Fiber.interrupt(running)
    assert.isTrue(Exit.isInterrupted(exit))
    assert.deepStrictEqual(seen, ["600000 ms later"])
  })
)

const order = (shuffle?: number) =>
  VirtualTime.run(
    Effect.gen(function* () {
      const seen: Array<number> = []
      const one = (n: number) =>
        Effect.zipRight(
          Effect.yieldNow(),
          Effect.sync(() => seen.push(n))
        )
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], one, { concurrency: "unbounded" })
      return seen.join("")
    }),
    { shuffle }
  )

it.effect("fibers that could all go on do so in their order, or in an order drawn from the seed", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* order(), "123456")
    const orders = yield* Effect.forEach(
      Array.from({ length: 20 }, (_, seed) => seed),
      order
    )
    const again = yield* Effect.forEach(
      Array.from({ length: 20 }, (_, seed) => seed),
      order
    )
    assert.deepStrictEqual(orders, again)
    assert.isAbove(new Set(orders).size, 15)
    for (const one of orders) assert.strictEqual([...one].sort().join(""), "123456")
  })
)

it.effect("chance is that of whoever runs it", () =>
  Effect.gen(function* () {
    const draw = VirtualTime.run(Effect.replicateEffect(Random.nextInt, 3))
    const one = yield* Effect.withRandom(draw, Random.make(1))
    assert.deepStrictEqual(yield* Effect.withRandom(draw, Random.make(1)), one)
    assert.notDeepEqual(yield* Effect.withRandom(draw, Random.make(2)), one)
  })
)
