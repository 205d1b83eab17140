/** Items by the minute in which they fall due: those that are due are found without a look at the others. */
export interface Due {
  /** Milliseconds since the epoch; undefined while it is in no bucket. Only the buckets change it. */
  dueAt: number | undefined
}

const minuteOf = (at: number): number => Math.floor(at / 60_000)

export class DueBuckets<A extends Due> {
  private readonly minutes = new Map<number, Set<A>>()

  /** Has an item fall due at this time, and not when it was to before. */
  set(item: A, at: number): void {
    this.remove(item)
    // Never.
    if (!Number.isFinite(at)) return
    item.dueAt = at
    const minute = minuteOf(at)
    const bucket = this.minutes.get(minute)
    if (bucket === undefined) this.minutes.set(minute, new Set([item]))
    else bucket.add(item)
  }

  remove(item: A): void {
    if (item.dueAt === undefined) return
    const minute = minuteOf(item.dueAt)
    item.dueAt = undefined
    const bucket = this.minutes.get(minute)
    bucket?.delete(item)
    if (bucket?.size === 0) this.minutes.delete(minute)
  }

  /** Takes out those that were due before `now`. */
  take(now: number): ReadonlyArray<A> {
    const current = minuteOf(now)
    const taken: Array<A> = []
    for (const [minute, bucket] of this.minutes) {
      if (minute > current) continue
      for (const item of bucket) {
        if (item.dueAt === undefined || item.dueAt >= now) continue
        bucket.delete(item)
        item.dueAt = undefined
        taken.push(item)
      }
      if (bucket.size === 0) this.minutes.delete(minute)
    }
    return taken
  }
}
