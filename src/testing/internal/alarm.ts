/** Calls back when time has passed on Effect's Clock: one sleeping fiber for all that is due, not one for each. */
import * as Effect from "effect/Effect"

interface Due {
  readonly at: number
  readonly then: () => void
}

export class Alarm {
  /** In the order of their time; at one instant, in the order in which they were asked for. */
  private due: Array<Due> = []
  /** When the earliest fiber wakes. */
  private wakesAt = Number.POSITIVE_INFINITY

  constructor(
    private readonly now: () => number,
    private readonly fork: (effect: Effect.Effect<void>) => void
  ) {}

  /** Calls back after so many milliseconds, unless it is cancelled before. */
  after(millis: number, then: () => void): () => void {
    const one: Due = { at: this.now() + millis, then }
    let index = this.due.length
    while (index > 0 && (this.due[index - 1]?.at ?? 0) > one.at) index--
    this.due.splice(index, 0, one)
    this.wake()
    return () => {
      const found = this.due.indexOf(one)
      if (found >= 0) this.due.splice(found, 1)
    }
  }

  private wake(): void {
    const next = this.due[0]
    if (next === undefined || next.at >= this.wakesAt) return
    this.wakesAt = next.at
    const ring = Effect.sync(() => this.ring(next.at))
    this.fork(Effect.zipRight(Effect.sleep(Math.max(0, next.at - this.now())), ring))
  }

  private ring(at: number): void {
    if (at === this.wakesAt) this.wakesAt = Number.POSITIVE_INFINITY
    const now = this.now()
    for (let next = this.due[0]; next !== undefined && next.at <= now; next = this.due[0]) {
      this.due.shift()
      next.then()
    }
    this.wake()
  }
}
