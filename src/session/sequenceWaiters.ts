/** Those that each wait for a sequence number to be reached. */
import * as Effect from "effect/Effect"

interface Waiter<E> {
  /** Lower by one for each number before it that was withdrawn. */
  seq: number
  readonly resume: (result: Effect.Effect<void, E>) => void
}

export class SequenceWaiters<E> {
  /** By sequence number, lowest first. */
  private waiters: Array<Waiter<E>> = []

  /** Has `resume` called when this number is reached, or will not be; gives what takes that back, and tells the number if it was waited for still. */
  add(seq: number, resume: Waiter<E>["resume"]): () => number | undefined {
    const waiter = { seq, resume }
    const at = this.waiters.findLastIndex((other) => other.seq <= seq)
    this.waiters.splice(at + 1, 0, waiter)
    return () => {
      const before = this.waiters.length
      this.waiters = this.waiters.filter((other) => other !== waiter)
      return this.waiters.length < before ? waiter.seq : undefined
    }
  }

  /** Waits until this number is reached; `already` answers at once, if it can. */
  wait(seq: number, already: () => Effect.Effect<void, E> | undefined): Effect.Effect<void, E> {
    return Effect.async((resume) => {
      const answer = already()
      if (answer !== undefined) return resume(answer)
      return Effect.sync(this.add(seq, resume))
    })
  }

  /** All numbers up to this one are reached. */
  reach(upTo: number): void {
    while (this.waiters[0] !== undefined && this.waiters[0].seq <= upTo) this.waiters.shift()?.resume(Effect.void)
  }

  /** This number will not be reached. */
  refuse(seq: number, failure: E): void {
    const refused = this.waiters.filter((waiter) => waiter.seq === seq)
    this.waiters = this.waiters.filter((waiter) => waiter.seq !== seq)
    for (const waiter of refused) waiter.resume(Effect.fail(failure))
  }

  /** This number is taken out: it will not be reached, and those after it move up. */
  remove(seq: number, failure: E): void {
    this.refuse(seq, failure)
    this.withdraw(seq)
  }

  /** Numbers up to this one will not be reached; later ones count from it. */
  restart(after: number, failure: E): void {
    const failed = this.waiters.filter((waiter) => waiter.seq <= after)
    this.waiters = this.waiters.filter((waiter) => waiter.seq > after)
    for (const waiter of this.waiters) waiter.seq -= after
    for (const waiter of failed) waiter.resume(Effect.fail(failure))
  }

  /** Those after this number wait for one less. */
  withdraw(seq: number): void {
    for (const waiter of this.waiters) if (waiter.seq > seq) waiter.seq--
  }

  fail(failure: (seq: number) => E): void {
    const failed = this.waiters
    this.waiters = []
    for (const waiter of failed) waiter.resume(Effect.fail(failure(waiter.seq)))
  }
}
