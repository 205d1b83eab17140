/**
 * The quota of publications with a key of a session, within the window in which their keys are remembered, counted in
 * a few parts of it: never too few, and for a part of the window longer than it is at most.
 */

/** Parts of the window. */
const parts = 16

/** Those of a part: the last of them, and how many. */
interface Part {
  readonly since: number
  last: number
  count: number
}

export class KeyQuota {
  private parts: Array<Part> = []
  private count = 0
  /** The highest id of a request that was counted. */
  private highest = 0

  constructor(
    private readonly limit: number,
    /** Milliseconds. */
    private readonly window: number
  ) {}

  /** Milliseconds until there may be one more; 0 when there may be one now. */
  wait(now: number): number {
    for (let oldest = this.parts[0]; oldest !== undefined; oldest = this.parts[0]) {
      if (this.count < this.limit) break
      if (now < oldest.last + this.window) return oldest.last + this.window - now
      this.parts.shift()
      this.count -= oldest.count
    }
    return 0
  }

  /** True when a request with this id may be one that was counted: a publication is published again under its id. */
  mayKnow(id: number): boolean {
    return id <= this.highest
  }

  add(id: number, now: number): void {
    if (id > this.highest) this.highest = id
    this.count++
    const newest = this.parts.at(-1)
    if (newest !== undefined && now < newest.since + this.window / parts) {
      newest.last = now
      newest.count++
      return
    }
    this.parts.push({ since: now, last: now, count: 1 })
    // What is over is not waited for until the limit is reached.
    while (this.parts.length > parts + 2) {
      const oldest = this.parts.shift()
      this.count -= oldest?.count ?? 0
    }
  }
}
