/**
 * The suspicion that a peer is gone: a ping of this end's is unanswered for so long. Nothing follows from it but that it is
 * told; whether the peer is dead, the read deadline alone decides.
 */
import * as timerQueue from "../timerQueue.js"

/** The connection that may be suspect. */
export interface Suspected {
  readonly unansweredSince: number | undefined
  readonly isUnansweredFor: (millis: number) => boolean
  /** Judges it, if it has not ended, once what has come by now was read. */
  readonly afterReads: (judge: () => void) => void
  readonly died: (defect: unknown) => void
}

/** Is set at a ping and looks again when it is due, so that what arrives moves no timer. */
export class Suspicion extends timerQueue.Task {
  private isSuspect = false

  constructor(
    private readonly suspected: Suspected,
    /** Milliseconds. */
    private readonly after: number,
    private readonly timers: timerQueue.TimerQueue,
    /** Called when it becomes so and when that is over, and never twice with the same. */
    private readonly changed: (isSuspect: boolean) => void
  ) {
    super()
  }

  /** A ping has left. */
  pinged(): void {
    const { unansweredSince } = this.suspected
    if (unansweredSince === undefined || this.isSet || this.isSuspect) return
    this.timers.set(this, unansweredSince + this.after)
  }

  /** Something has come, or nothing can come. */
  cleared(): void {
    this.become(false)
  }

  due(now: number): number | undefined {
    const { unansweredSince } = this.suspected
    if (unansweredSince === undefined) return undefined
    const at = unansweredSince + this.after
    if (at > now) return at
    this.suspected.afterReads(() => this.become(this.suspected.isUnansweredFor(this.after)))
    return undefined
  }

  died(defect: unknown): void {
    this.suspected.died(defect)
  }

  stop(): void {
    this.timers.remove(this)
  }

  private become(isSuspect: boolean): void {
    if (this.isSuspect === isSuspect) return
    this.isSuspect = isSuspect
    this.changed(isSuspect)
  }
}
