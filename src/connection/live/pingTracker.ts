/** A connection's own pings: which was answered, and in what time. */

/** Ids are positive, and fit into four bytes. */
const largestId = 0x7fffffff

/** Of no ping. */
const none = 0

/** The payload of the last ping of all: connections that were opened together ping with the same ids, and are sent the same. */
let latest = { id: none, payload: new Uint8Array(4) }

/** Four bytes, the highest first. A DataView would need a buffer that is made for it. */
export const payloadOf = (id: number): Uint8Array => {
  if (latest.id !== id) latest = { id, payload: Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id) }
  return latest.payload
}

/** The ping that a payload is of, if it is one of this end's. */
export const idOf = (payload: Uint8Array): number => {
  if (payload.length !== 4) return none
  const [first, second, third, fourth] = [payload[0] ?? 0, payload[1] ?? 0, payload[2] ?? 0, payload[3] ?? 0]
  return ((first << 24) | (second << 16) | (third << 8) | fourth) >>> 0
}

/** Numbers alone: ten thousand connections ping all the time. */
export class PingTracker {
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

  /** True while the latest one is still to be answered. */
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
