/**
 * Echoes at a rate that the clock sets, whatever the server does: one that
 * falls behind shows, because a message's time counts from when it was due.
 */
import type { Echoes } from "./echoes.js"

/** What is due within a millisecond leaves together. */
const tick = 1
/** A server that is further behind will not catch up, in milliseconds. */
const tooLate = 10_000

export class Pacer {
  private readonly startedAt = performance.now()
  private ticks = 0
  private sent = 0
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly echoes: Echoes,
    /** Messages a second. */
    private readonly rate: number,
    private readonly fail: (why: Error) => void
  ) {
    echoes.onEcho = () => {}
    this.go()
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private readonly go = (): void => {
    const touched = new Set<number>()
    const now = performance.now()
    let dueAt = this.startedAt + this.ticks * tick
    for (; dueAt <= now; dueAt += tick) {
      if (!this.sendDue(dueAt, touched)) break
      this.ticks++
    }
    for (const index of touched) this.echoes.flush(index)
    if (now - dueAt > tooLate)
      this.fail(new Error(`the server is ${tooLate / 1000} s behind half of its own full load`))
    this.timer = setTimeout(this.go, tick)
  }

  /** In turn on all connections. Whether there was room for all of it: if not, the rest leaves when there is. */
  private sendDue(dueAt: number, touched: Set<number>): boolean {
    const { connections, inFlight } = this.echoes.options
    const due = ((this.ticks + 1) * tick * this.rate) / 1000
    for (; this.sent < due; this.sent++) {
      const index = this.sent % connections
      if (this.echoes.waiting(index) === inFlight) return false
      this.echoes.send(index, dueAt)
      touched.add(index)
    }
    return true
  }
}
