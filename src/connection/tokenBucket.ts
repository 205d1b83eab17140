/**
 * Messages and bytes per second, as token buckets: numbers that are brought up
 * to date when somebody asks, without a fiber or a timer.
 *
 * Not Effect's `RateLimiter`: it delays with a fiber for each call, has no cost
 * that differs from call to call, and cannot say that a call does not fit. All
 * this is paid for every message, so it is arithmetic on a few numbers.
 */

/** Tokens are counted in these parts of one, so that a twentieth of a token per second is a whole number each millisecond. */
const parts = 20_000

/** The terms of a kind of bucket. */
export interface Terms {
  /** Tokens that come back per millisecond, in parts. */
  readonly refill: number
  /** Tokens in a full bucket, in parts. */
  readonly capacity: number
}

/** `rate` is in tokens per second, to a twentieth; `capacity` in tokens. */
export const terms = (rate: number, capacity: number): Terms => ({
  refill: Math.round((rate * parts) / 1000),
  capacity: Math.round(capacity * parts)
})

/**
 * The part that may be sent at once: a second's worth; of a rate of more than 1,000
 * messages or 1 MiB that much, or a tenth of a second's worth. A flood is let
 * through so far, and others wait while it is looked at.
 */
const burst = (rate: number, most: number): number => Math.min(rate, Math.max(rate / 10, most))

export const messagesAtOnce = (rate: number): number => burst(rate, 1000)
export const bytesAtOnce = (rate: number): number => burst(rate, 1024 * 1024)

/**
 * One bucket, full at first. Time is in milliseconds and the caller's; what is
 * asked must be asked in its order. A clock that was set back refills nothing.
 */
export class TokenBucket {
  private level: number

  constructor(
    private readonly terms: Terms,
    private at: number
  ) {
    this.level = terms.capacity
  }

  /** Adds what has come back. */
  settle(now: number): void {
    if (now > this.at) this.level = Math.min(this.terms.capacity, this.level + (now - this.at) * this.terms.refill)
    this.at = now
  }

  /** The tokens that are missing: one that costs more than a full bucket waits for that, and is paid for afterwards. */
  private missing(cost: number): number {
    return Math.min(cost * parts, this.terms.capacity) - this.level
  }

  fits(cost: number, now: number): boolean {
    this.settle(now)
    return this.missing(cost) <= 0
  }

  /** Takes what was found to fit. */
  spend(cost: number): void {
    this.level -= cost * parts
  }

  /** Milliseconds until this fits, if nothing else is taken. */
  wait(cost: number, now: number): number {
    this.settle(now)
    return Math.max(0, Math.ceil(this.missing(cost) / this.terms.refill))
  }

  /** Milliseconds until it is full, if nothing is taken. */
  untilFull(now: number): number {
    return this.wait(Number.POSITIVE_INFINITY, now)
  }
}

/** The measures of messages and of their bytes. */
export interface Rates {
  readonly messages: Terms
  readonly bytes: Terms
}

/** Two buckets, and a message must fit both: it costs one of the first, and its size of the second. */
export class RateLimit {
  readonly messages: TokenBucket
  readonly bytes: TokenBucket

  constructor(rates: Rates, now: number) {
    this.messages = new TokenBucket(rates.messages, now)
    this.bytes = new TokenBucket(rates.bytes, now)
  }

  /** Takes a message of this size; or takes nothing, and tells what there is too little of. */
  take(size: number, now: number): keyof Rates | undefined {
    if (!this.messages.fits(1, now)) return "messages"
    if (!this.bytes.fits(size, now)) return "bytes"
    this.messages.spend(1)
    this.bytes.spend(size)
    return undefined
  }

  /** Takes the bytes alone of a message that is counted elsewhere. */
  takeBytes(size: number, now: number): keyof Rates | undefined {
    if (!this.bytes.fits(size, now)) return "bytes"
    this.bytes.spend(size)
    return undefined
  }

  /** Takes a message of this size, whether it fits or not: what is missing is paid for later. */
  charge(size: number, now: number): void {
    this.messages.settle(now)
    this.bytes.settle(now)
    this.messages.spend(1)
    this.bytes.spend(size)
  }

  /** Milliseconds until a message of this size fits, if nothing else is taken. */
  wait(size: number, now: number): number {
    return Math.max(this.messages.wait(1, now), this.bytes.wait(size, now))
  }

  /** Milliseconds until both are full, if nothing is taken. */
  untilFull(now: number): number {
    return Math.max(this.messages.untilFull(now), this.bytes.untilFull(now))
  }
}
