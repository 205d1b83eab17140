/** What is renewed when, whatever fails. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { ConnectionError } from "holdfast"
import { SessionLeases } from "../../src/redis/internal/store/sessionLeases.js"

const holding = (renew: (id: string) => Effect.Effect<void, string>) => {
  let now = 0
  const leases = new SessionLeases(
    1000,
    () => now,
    (id) => Effect.mapError(renew(id), (cause) => new ConnectionError.StoreUnavailable({ cause }))
  )
  return {
    leases,
    at: (millis: number) =>
      Effect.suspend(() => {
        now = millis
        return leases.renewDue
      })
  }
}

describe("the leases of sessions", () => {
  it.effect("are renewed when they are due, and not before", () =>
    Effect.gen(function* () {
      const renewed: Array<string> = []
      const { at, leases } = holding((id) => Effect.sync(() => void renewed.push(id)))
      leases.hold("a", 1, "ann")
      yield* at(999)
      assert.deepStrictEqual(renewed, [])
      yield* at(1000)
      yield* at(1999)
      assert.deepStrictEqual(renewed, ["a"])
      yield* at(2000)
      leases.release("a", 1)
      yield* at(3000)
      assert.deepStrictEqual(renewed, ["a", "a"])
    })
  )

  it.effect("are all renewed where those of one shard fail, however many these are", () =>
    Effect.gen(function* () {
      const renewed = new Set<string>()
      let failures = 0
      const { at, leases } = holding((id) =>
        id.startsWith("dead")
          ? Effect.suspend(() => {
              failures++
              return Effect.fail("the shard is down")
            })
          : Effect.sync(() => void renewed.add(id))
      )
      for (let i = 0; i < 2000; i++) leases.hold(`dead ${i}`, 1, "ann")
      for (let i = 0; i < 1000; i++) leases.hold(`alive ${i}`, 1, "ann")
      yield* at(1000)
      assert.strictEqual(renewed.size, 1000)
      assert.strictEqual(failures, 2000)
      // Those that failed are tried again in a while, and not at every look.
      yield* at(1050)
      assert.strictEqual(failures, 2000)
      yield* at(1100)
      assert.strictEqual(failures, 4000)
    })
  )

  it.effect("that are doubted while they are renewed are looked at once more", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      let asked = 0
      const { at, leases } = holding(() =>
        Effect.suspend(() => {
          asked++
          return Deferred.await(answer)
        })
      )
      leases.hold("a", 1, "ann")
      const first = yield* Effect.fork(at(1000))
      while (asked === 0) yield* Effect.yieldNow()
      leases.doubt()
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(first)
      yield* at(1001)
      assert.strictEqual(asked, 2)
    })
  )
})
