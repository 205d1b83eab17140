/** The calls that are to happen, in the order of their time; at one instant, in the order in which it was asked for. */

interface Timer {
  readonly at: number
  readonly then: () => void
  readonly isBackground: boolean
}

export class Timers {
  /** Milliseconds. */
  now = 0
  private readonly timers: Array<Timer> = []
  /** How many of them somebody waits for. */
  private awaited = 0

  /** Nobody waits for any of them. */
  get isEmpty(): boolean {
    return this.awaited === 0
  }

  /** When the next one is due; infinity when there is none. */
  get next(): number {
    return this.timers[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /**
   * Calls back after so many milliseconds, unless it is cancelled before; never, when they are infinite. Time is in whole
   * milliseconds, as `Date.now` tells it: whoever sleeps for what remains until an instant has reached it then. Nobody waits for
   * what goes on in the background.
   */
  add(millis: number, then: () => void, isBackground = false): () => void {
    if (!Number.isFinite(millis)) return () => {}
    const timer = { at: Math.ceil(this.now + Math.max(0, millis)), then, isBackground }
    if (!isBackground) this.awaited++
    let index = this.timers.length
    while (index > 0 && (this.timers[index - 1]?.at ?? 0) > timer.at) index--
    this.timers.splice(index, 0, timer)
    return () => {
      const found = this.timers.indexOf(timer)
      if (found < 0) return
      this.timers.splice(found, 1)
      if (!isBackground) this.awaited--
    }
  }

  /** Lets time pass until the next one, and calls back. */
  advance(): void {
    const timer = this.timers.shift()
    if (timer === undefined) return
    if (!timer.isBackground) this.awaited--
    this.now = timer.at
    timer.then()
  }
}
