import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Random } from "effect"
import * as fc from "fast-check"
import { ConnectionError, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { makeClient, settle, World } from "../support/virtual.js"

const end = new ConnectionError.ConnectionLost({ cause: undefined })

/** The first so many delays, under jitter of this seed. */
const delays = (policy: Reconnect.Policy, attempts: number, seed: number | string) =>
  Effect.gen(function* () {
    const backoff = yield* Reconnect.backoff(policy)
    const found: Array<number> = []
    for (let i = 0; i < attempts; i++) {
      found.push(Option.getOrThrow(yield* backoff.next(end)))
    }
    return found
  }).pipe(Effect.withRandom(Random.make(seed)), Effect.runSync)

const options = fc.record({
  base: fc.integer({ min: 1, max: 60_000 }),
  factor: fc.oneof(fc.double({ min: 1, max: 10, noNaN: true }), fc.constantFrom(1, 2, 1000)),
  max: fc.integer({ min: 1, max: 600_000 })
})

/** After some thousand, an exponential that nobody caps is Infinity. */
const attempts = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 30 }) },
  { weight: 1, arbitrary: fc.constant(1200) }
)

describe("Reconnect.exponential", () => {
  it("never waits longer than its cap, and never not at all, at any attempt and any jitter", () => {
    const property = fc.property(options, attempts, fc.integer(), ({ base, factor, max }, count, seed) => {
      for (const delay of delays(Reconnect.exponential({ base, factor, max }), count, seed)) {
        assert.isAtMost(delay, max)
        // Jitter takes a fifth at the most; what is left is rounded to a millisecond.
        assert.isAtLeast(delay, Math.max(1, Math.floor(0.8 * Math.min(base, max))))
      }
    })
    fc.assert(property, { numRuns: 300 })
  })

  it("without jitter is exactly base times the factor to the attempt, until the cap", () => {
    const property = fc.property(options, attempts, ({ base, factor, max }, count) => {
      for (const [attempt, delay] of delays(
        Reconnect.exponential({ base, factor, max, jitter: false }),
        count,
        0
      ).entries()) {
        const exact = Math.min(base * factor ** attempt, max)
        assert.isAtMost(Math.abs(delay - exact), 1, `attempt ${attempt}`)
      }
    })
    fc.assert(property, { numRuns: 300 })
  })

  it("with jitter stays within a fifth of that, and jitters", () => {
    const property = fc.property(options, fc.integer(), ({ base, factor, max }, seed) => {
      for (const [attempt, delay] of delays(Reconnect.exponential({ base, factor, max }), 20, seed).entries()) {
        const exact = Math.min(base * factor ** attempt, max)
        assert.isAtLeast(delay, Math.floor(0.8 * exact))
        assert.isAtMost(delay, Math.min(max, Math.ceil(1.2 * exact)))
      }
    })
    fc.assert(property, { numRuns: 300 })
    const first = delays(Reconnect.exponential({ base: 1000, max: "1 hour" }), 10, 1)
    assert.notDeepEqual(first, delays(Reconnect.exponential({ base: 1000, max: "1 hour" }), 10, 2))
  })

  it("begins anew after a reset, wherever it was", () => {
    const property = fc.property(options, attempts, ({ base, factor, max }, count) => {
      const policy = Reconnect.exponential({ base, factor, max, jitter: false })
      const found = Effect.gen(function* () {
        const backoff = yield* Reconnect.backoff(policy)
        const first = yield* backoff.next(end)
        for (let i = 0; i < count; i++) yield* backoff.next(end)
        yield* backoff.reset
        return [first, yield* backoff.next(end)] as const
      }).pipe(Effect.runSync)
      assert.deepStrictEqual(found[1], found[0])
    })
    fc.assert(property, { numRuns: 100 })
  })

  it("refuses whatever would make a loop of it", () => {
    const refused = (options: Parameters<typeof Reconnect.exponential>[0]) =>
      Effect.runSync(Effect.flip(Reconnect.backoff(Reconnect.exponential(options)))).option
    const durations = fc.oneof(fc.double({ max: 0.999 }), fc.constantFrom(Duration.zero, "0 seconds", "nonsense", -1))
    const bases = fc.property(durations, (base) => {
      // Nonsense is what the property is about.
      assert.strictEqual(refused({ base: base as Duration.DurationInput }), "base")
      assert.strictEqual(refused({ max: base as Duration.DurationInput }), "max")
    })
    fc.assert(bases)
    const factors = fc.property(fc.double({ max: 0.999 }), (factor) => {
      assert.strictEqual(refused({ factor }), "factor")
    })
    fc.assert(factors)
  })
})

/** What a client that is told this waits, in milliseconds, at its first attempt. */
const waited = (retryAfter: number | undefined, policy: Reconnect.Policy) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    yield* network.reach({ _tag: "Status", status: 503, body: "full", retryAfter })
    const client = yield* makeClient({ reconnect: policy })
    yield* settle
    const status = yield* client.status
    return status._tag === "Waiting" ? status.delay : undefined
  }).pipe(Effect.provide(World), Effect.scoped)

describe("A client's delay", () => {
  it.effect("is what the server asks for, within a tenth of a second and an hour, whatever the policy says", () =>
    Effect.gen(function* () {
      const seconds = fc.oneof(fc.nat(200), fc.nat(100_000), fc.nat(10_000_000))
      const asked = fc.sample(fc.record({ retryAfter: seconds, options }), { numRuns: 100, seed: 1 })
      for (const { options, retryAfter } of asked) {
        const delay = yield* waited(retryAfter, Reconnect.exponential(options))
        assert.strictEqual(delay, Math.min(3_600_000, Math.max(100, retryAfter)))
      }
    })
  )

  it.effect("is the policy's when the server asks for nothing", () =>
    Effect.gen(function* () {
      for (const made of fc.sample(options, { numRuns: 50, seed: 2 })) {
        const delay = yield* waited(undefined, Reconnect.exponential({ ...made, jitter: false }))
        assert.strictEqual(delay, Math.min(made.base, made.max))
      }
    })
  )
})
