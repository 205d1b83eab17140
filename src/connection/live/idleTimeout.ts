/**
 * The idle timeout of a proxy, known by its deeds: connections that are lost without a word, again and again after the same
 * silence, which is shorter than the heartbeats that would have broken it.
 */

/** A connection that was lost without a close handshake, and not by a deadline of this end. Milliseconds. */
export interface Lost {
  /** Since the last byte that this end knows of. */
  readonly silence: number
  /** The longest silence that a heartbeat found it alive after. */
  readonly endured: number
  /** Of its heartbeats. */
  readonly interval: number
}

/** The evidence that is enough: so many of the latest losses agree. */
export interface Evidence {
  readonly needed: number
  readonly of: number
  /** Milliseconds between two losses that are looked at: those of one moment have one cause, which is another one. */
  readonly apart: number
}

/** For one client: of losses at random, three in a row agree once in a thousand, and fewer still have endured no longer silence. */
export const ofOne: Evidence = { needed: 3, of: 3, apart: 0 }

/**
 * For all connections of a gateway, of which many are lost at random: where the silences of those lie twice as dense as if they were spread
 * over the interval, ten of twelve agree less than once in 10⁸ losses (55 × 0.08⁹), and two may be of another kind.
 */
export const ofMany: Evidence = { needed: 10, of: 12, apart: 1000 }

/** Below it an application that is busy may have its own reasons. */
const least = 5000

/** Silences agree within a fiftieth of them, or what a proxy's timer and the way may be out by. */
const toleranceOf = (silence: number): number => Math.max(250, silence / 50)

export class IdleTimeout {
  /** Milliseconds, as far as is known; it stays so. */
  found: number | undefined
  /** Of the latest losses; undefined where an idle timeout was not their cause. */
  private readonly silences: Array<number | undefined> = []
  private lookedAt = Number.NEGATIVE_INFINITY

  constructor(private readonly evidence: Evidence) {}

  /** Looks at a loss, now on the monotonic clock, and gives the idle timeout if it is recognised by this one: once. */
  lost({ endured, interval, silence }: Lost, now: number): number | undefined {
    const { apart, needed, of } = this.evidence
    if (this.found !== undefined || now - this.lookedAt < apart) return undefined
    this.lookedAt = now
    const tolerance = toleranceOf(silence)
    const isPossible = silence >= least && silence < interval && endured <= silence + tolerance
    this.silences.push(isPossible ? silence : undefined)
    if (this.silences.length > of) this.silences.shift()
    if (!isPossible) return undefined
    const agreeing = this.silences.filter((other) => other !== undefined && Math.abs(other - silence) <= tolerance)
    if (agreeing.length >= needed) this.found = silence
    return this.found
  }
}

/** The finding in words, with its remedy. */
export const describe = (idleTimeout: number): string =>
  `connections end again and again after the same silence: an idle timeout of about ${Math.round(idleTimeout / 1000)} s lies between: set heartbeatInterval below it`
