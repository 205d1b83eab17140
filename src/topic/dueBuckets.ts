/** Items by the minute in which they fall due: those that are due are found without a look at the others. */
export interface Due<A> {
  /** On the monotonic clock; undefined while it is in no bucket. Only the buckets change what is here. */
  dueAt: number | undefined
  /** Its neighbours in the bucket. */
  dueBefore: A | undefined
  dueAfter: A | undefined
}

interface Bucket<A> {
  first: A | undefined
  last: A | undefined
}

const minuteOf = (at: number): number => Math.floor(at / 60_000)

/** Buckets that are linked lists: in a set, an item more costs the more the more there are. */
export class DueBuckets<A extends Due<A>> {
  private readonly minutes = new Map<number, Bucket<A>>()

  /** Has an item fall due at this time, and not when it was to before. */
  set(item: A, at: number): void {
    this.remove(item)
    // Never.
    if (!Number.isFinite(at)) return
    item.dueAt = at
    const minute = minuteOf(at)
    const bucket = this.minutes.get(minute)
    if (bucket === undefined) {
      this.minutes.set(minute, { first: item, last: item })
      return
    }
    item.dueBefore = bucket.last
    if (bucket.last !== undefined) bucket.last.dueAfter = item
    bucket.last = item
  }

  remove(item: A): void {
    const { dueAfter, dueAt, dueBefore } = item
    if (dueAt === undefined) return
    item.dueAt = undefined
    item.dueBefore = undefined
    item.dueAfter = undefined
    if (dueBefore !== undefined) dueBefore.dueAfter = dueAfter
    if (dueAfter !== undefined) dueAfter.dueBefore = dueBefore
    if (dueBefore !== undefined && dueAfter !== undefined) return
    const minute = minuteOf(dueAt)
    const bucket = this.minutes.get(minute)
    if (bucket === undefined) return
    if (dueBefore === undefined) bucket.first = dueAfter
    if (dueAfter === undefined) bucket.last = dueBefore
    if (bucket.first === undefined) this.minutes.delete(minute)
  }

  /** Takes out those that were due before `now`. */
  take(now: number): ReadonlyArray<A> {
    const current = minuteOf(now)
    const taken: Array<A> = []
    for (const [minute, bucket] of this.minutes) {
      if (minute > current) continue
      for (let item = bucket.first; item !== undefined; ) {
        const { dueAfter, dueAt } = item
        if (dueAt !== undefined && dueAt < now) {
          this.remove(item)
          taken.push(item)
        }
        item = dueAfter
      }
    }
    return taken
  }
}
