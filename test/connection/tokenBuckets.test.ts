import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { RateLimit, TokenBucket, terms } from "../../src/connection/tokenBucket.js"

const rate = fc.integer({ min: 1, max: 5000 })
const capacity = fc.integer({ min: 1, max: 5000 })

/** Milliseconds that pass, and what is asked for then. */
const asked = fc.array(fc.record({ after: fc.oneof(fc.nat(20), fc.nat(5000)), cost: fc.nat(200) }), {
  maxLength: 80,
  size: "max"
})

describe("A token bucket", () => {
  it("never lets through more, in any stretch of time, than it holds and what has come back", () => {
    const property = fc.property(rate, capacity, asked, (perSecond, full, requests) => {
      const bucket = new TokenBucket(terms(perSecond, full), 0)
      const passed: Array<{ readonly at: number; readonly cost: number }> = []
      let now = 0
      for (const { after, cost } of requests) {
        now += after
        // What is larger than the bucket is paid for afterwards: another law.
        if (cost > full || !bucket.fits(cost, now)) continue
        bucket.spend(cost)
        passed.push({ at: now, cost })
        for (const [i, { at }] of passed.entries()) {
          const spent = passed.slice(i).reduce((sum, one) => sum + one.cost, 0)
          assert.isAtMost(spent, full + ((now - at) * perSecond) / 1000 + 1e-9)
        }
      }
    })
    fc.assert(property, { numRuns: 300 })
  })

  it("says to the millisecond when something fits", () => {
    const property = fc.property(rate, capacity, asked, fc.nat(10_000), (perSecond, full, requests, cost) => {
      const bucket = new TokenBucket(terms(perSecond, full), 0)
      let now = 0
      for (const request of requests) {
        now += request.after
        if (bucket.fits(request.cost, now)) bucket.spend(request.cost)
      }
      const wait = bucket.wait(cost, now)
      assert.isTrue(Number.isInteger(wait) && wait >= 0)
      if (wait > 0) assert.isFalse(bucket.fits(cost, now + wait - 1), "not a millisecond earlier")
      assert.isTrue(bucket.fits(cost, now + wait), "and not one later")
    })
    fc.assert(property, { numRuns: 1000 })
  })

  it("is full after as long as it says, however much was taken", () => {
    const property = fc.property(rate, capacity, fc.nat(20_000), (perSecond, full, cost) => {
      const bucket = new TokenBucket(terms(perSecond, full), 0)
      bucket.spend(cost)
      const wait = bucket.untilFull(0)
      if (wait > 0) assert.isAbove(bucket.wait(full, wait - 1), 0)
      assert.strictEqual(bucket.wait(full, wait), 0)
    })
    fc.assert(property, { numRuns: 500 })
  })
})

describe("A rate limit", () => {
  it("takes both or nothing, and lets through what it said would fit when it said", () => {
    const property = fc.property(rate, rate, capacity, asked, (messages, bytes, full, requests) => {
      const rates = { messages: terms(messages, full), bytes: terms(bytes, full) }
      const limit = new RateLimit(rates, 0)
      let now = 0
      for (const { after, cost } of requests) {
        now += after
        const wait = limit.wait(cost, now)
        const missing = limit.take(cost, now)
        assert.strictEqual(missing === undefined, wait === 0)
        if (missing === undefined) continue
        assert.strictEqual(limit.wait(cost, now), wait, "nothing was taken")
        now += wait
        assert.isUndefined(limit.take(cost, now))
      }
    })
    fc.assert(property, { numRuns: 500 })
  })
})
