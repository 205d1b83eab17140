import { assert, describe, it } from "@effect/vitest"
import { RateLimit, TokenBucket, terms } from "../../src/connection/tokenBucket.js"

const take = (bucket: TokenBucket, cost: number, now: number): boolean => {
  const fits = bucket.fits(cost, now)
  if (fits) bucket.spend(cost)
  return fits
}

/** How many of one token each fit now. */
const drain = (bucket: TokenBucket, now: number): number => {
  let taken = 0
  while (take(bucket, 1, now)) taken++
  return taken
}

/** A small generator of its own, so that what fails fails again. */
const seeded = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe("A token bucket", () => {
  it("is full at first: its capacity fits at once, and not one more", () => {
    assert.strictEqual(drain(new TokenBucket(terms(10, 15), 0), 0), 15)
  })

  it("refills at its rate, by the millisecond", () => {
    const bucket = new TokenBucket(terms(10, 15), 1000)
    drain(bucket, 1000)
    assert.isFalse(bucket.fits(1, 1099))
    assert.strictEqual(drain(bucket, 1100), 1)
    assert.strictEqual(drain(bucket, 1450), 3)
    // The half that was left is not lost.
    assert.strictEqual(drain(bucket, 1500), 1)
  })

  it("holds no more than its capacity, however long it is left alone", () => {
    const bucket = new TokenBucket(terms(10, 15), 0)
    assert.strictEqual(drain(bucket, 1e12), 15)
  })

  it("says when something fits, exactly", () => {
    const bucket = new TokenBucket(terms(3, 10), 0)
    assert.strictEqual(bucket.wait(10, 0), 0)
    drain(bucket, 0)
    assert.strictEqual(bucket.wait(1, 0), 334)
    assert.isFalse(bucket.fits(1, 333))
    assert.strictEqual(bucket.wait(1, 333), 1)
    assert.isTrue(bucket.fits(1, 334))
    assert.strictEqual(bucket.untilFull(334), 3000)
    assert.strictEqual(bucket.untilFull(3333), 1)
    assert.strictEqual(bucket.untilFull(3334), 0)
  })

  it("lets through what is larger than it is when it is full, and has it paid for", () => {
    const bucket = new TokenBucket(terms(10, 15), 0)
    assert.isTrue(take(bucket, 1, 0))
    assert.isFalse(take(bucket, 100, 99))
    assert.isTrue(take(bucket, 100, 100))
    assert.strictEqual(bucket.wait(1, 100), 8600)
    assert.isFalse(take(bucket, 1, 8699))
    assert.isTrue(take(bucket, 1, 8700))
  })

  it("refills nothing when the clock is set back, and goes on from there", () => {
    const bucket = new TokenBucket(terms(10, 15), 1_000_000)
    drain(bucket, 1_000_000)
    assert.isFalse(bucket.fits(1, 0))
    assert.isFalse(bucket.fits(1, 99))
    assert.isTrue(bucket.fits(1, 100))
  })

  it("keeps to rates of a twentieth without losing a part of one in a day", () => {
    const bucket = new TokenBucket(terms(0.95, 10), 0)
    let taken = 0
    for (let now = 0; now <= 86_400_000; now += 50) if (take(bucket, 1, now)) taken++
    assert.strictEqual(taken, 10 + 82_080)
  })

  it("never admits more than its capacity and the rate, and never refuses what fits", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed)
      const rate = (1 + random(400)) / 20
      const capacity = (20 + random(2000)) / 20
      const bucket = new TokenBucket(terms(rate, capacity), 0)
      // In parts of 1/20,000, as whole numbers: the law below is exact.
      const refill = Math.round(rate * 20)
      const full = Math.round(capacity * 20_000)
      const admitted: Array<{ readonly at: number; readonly cost: number }> = []
      let now = 0
      for (let i = 0; i < 60; i++) {
        now += random(3) === 0 ? random(3000) : random(20)
        const cost = random(10) === 0 ? random(Math.floor(capacity) + 1) : 1
        // Of every time since which it was asked, what was admitted since then: the most that may be left.
        let left = full
        let since = 0
        for (let from = admitted.length - 1; from >= 0; from--) {
          const one = admitted[from]
          if (one === undefined) continue
          since += one.cost * 20_000
          left = Math.min(left, full + (now - one.at) * refill - since)
        }
        assert.isAtLeast(left, 0, `seed ${seed}: more was admitted`)
        const fits = take(bucket, cost, now)
        const shown = `seed ${seed}, step ${i}: ${cost} with ${left / 20_000} left`
        assert.strictEqual(fits, Math.min(cost * 20_000, full) <= left, shown)
        if (fits) admitted.push({ at: now, cost })
      }
    }
  })
})

describe("A rate limit", () => {
  const rates = { messages: terms(10, 3), bytes: terms(100, 50) }

  it("names what there is too little of, and takes nothing then", () => {
    const limit = new RateLimit(rates, 0)
    assert.strictEqual(limit.take(51, 0), undefined)
    assert.strictEqual(limit.take(1, 0), "bytes")
    assert.strictEqual(limit.take(1, 10), "bytes")
    assert.strictEqual(limit.wait(1, 10), 10)
    assert.strictEqual(limit.take(0, 10), undefined)
    assert.strictEqual(limit.take(0, 10), undefined)
    assert.strictEqual(limit.take(0, 10), "messages")
    assert.strictEqual(limit.wait(0, 10), 90)
  })

  it("is full when both are", () => {
    const limit = new RateLimit(rates, 0)
    limit.take(1, 0)
    assert.strictEqual(limit.untilFull(0), 100)
    limit.take(49, 0)
    assert.strictEqual(limit.untilFull(0), 500)
  })
})
