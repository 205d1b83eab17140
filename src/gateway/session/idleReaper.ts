/**
 * Who stays for a while after being of use, in case there is more to do: asked
 * about every second by one fiber, which is there while anybody stays.
 */
import * as Effect from "effect/Effect"

/** Milliseconds between rounds. */
const round = 1000

export interface Idler {
  /** The number of the round in which it was last of use. */
  readonly usedIn: number
  /** It has not been of use for a whole round. */
  readonly rest: () => void
}

export class IdleReaper {
  /** The number of this round. */
  round = 0
  private readonly staying = new Set<Idler>()
  private isRunning = false

  constructor(private readonly fork: (effect: Effect.Effect<void>) => unknown) {}

  add(lingerer: Idler): void {
    this.staying.add(lingerer)
    if (this.isRunning) return
    this.isRunning = true
    this.fork(this.rounds)
  }

  delete(lingerer: Idler): void {
    this.staying.delete(lingerer)
  }

  private get rounds(): Effect.Effect<void> {
    return Effect.flatMap(Effect.sleep(round), () => {
      this.round++
      for (const lingerer of this.staying) if (lingerer.usedIn < this.round - 1) lingerer.rest()
      if (this.staying.size > 0) return this.rounds
      this.isRunning = false
      return Effect.void
    })
  }
}
