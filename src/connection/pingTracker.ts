/** A connection's own pings: which was answered, and in what time. */

/** Ids are positive, and fit into four bytes. */
const largestId = 0x7fffffff

/** Of no ping. */
const none = 0

/** Numbers alone: ten thousand connections ping all the time. */
export class Pings {
  /** Of the last ping that was answered, in milliseconds. */
  roundTrip: number | undefined
  private latestId = none
  private latestAt = 0
  private isAnswered = true
  /**
   * The oldest that may yet be answered, as far as it is known: where the way is longer than the interval, the latest is never
   * the one that is answered.
   */
  private timedId = none
  private timedAt = 0

  /** When the last one left. */
  get lastAt(): number | undefined {
    return this.latestId === none ? undefined : this.latestAt
  }

  /** Whether the latest one is still to be answered. */
  get isMissed(): boolean {
    return !this.isAnswered
  }

  /** The id of a ping that leaves now. */
  next(now: number): number {
    this.latestId = (this.latestId % largestId) + 1
    this.latestAt = now
    this.isAnswered = false
    if (this.timedId === none) this.time()
    return this.latestId
  }

  private time(): void {
    this.timedId = this.latestId
    this.timedAt = this.latestAt
  }

  /** A pong has come, to whatever ping. Tells whether that ping was to be answered. */
  answered(id: number, now: number): boolean {
    if (id === none) return false
    if (id === this.latestId && !this.isAnswered) {
      this.roundTrip = now - this.latestAt
      this.isAnswered = true
      this.timedId = none
      return true
    }
    if (id === this.timedId) {
      this.roundTrip = now - this.timedAt
      this.time()
      return true
    }
    return false
  }
}
