/** A connection's own pings: which was answered, and in what time. */

interface Ping {
  readonly id: number
  readonly at: number
}

/** Ids are positive, and fit into four bytes. */
const largestId = 0x7fffffff

const none: Ping = { id: 0, at: 0 }

export class Pings {
  /** Of the last ping that was answered, in milliseconds. */
  roundTrip: number | undefined
  private latest = none
  private isAnswered = true
  /**
   * The oldest that may yet be answered, as far as it is known: where the way is longer than the interval, the latest is never
   * the one that is answered.
   */
  private timed: Ping | undefined

  /** When the last one left. */
  get lastAt(): number | undefined {
    return this.latest === none ? undefined : this.latest.at
  }

  /** Whether the latest one is still to be answered. */
  get isMissed(): boolean {
    return !this.isAnswered
  }

  /** The id of a ping that leaves now. */
  next(now: number): number {
    this.latest = { id: (this.latest.id % largestId) + 1, at: now }
    this.isAnswered = false
    this.timed ??= this.latest
    return this.latest.id
  }

  /** A pong has come, to whatever ping. */
  answered(id: number, now: number): void {
    if (id === this.latest.id && id !== none.id) {
      this.roundTrip = now - this.latest.at
      this.isAnswered = true
      this.timed = undefined
    } else if (id === this.timed?.id) {
      this.roundTrip = now - this.timed.at
      this.timed = this.latest
    }
  }
}
