/**
 * The numbers under which messages are stored: their own, until one is
 * withdrawn. Those after it have a lower number from then on, and stay where
 * they are in the storage.
 */
import * as Schema from "effect/Schema"

/** From this message on, a message is stored under a number that is so much higher than its own. */
const Shift = Schema.Struct({ from: Schema.NonNegativeInt, by: Schema.NonNegativeInt })

/** By `from`, lowest first: at most one for each message, and one. */
export const Shifts = Schema.Array(Shift)
export type Shifts = typeof Shifts.Type

export class ItemNumbers {
  constructor(public shifts: Shifts = []) {}

  of(seq: number): number {
    return seq + (this.shifts.findLast(({ from }) => from <= seq)?.by ?? 0)
  }

  /** The messages after this one move up into its place. */
  withdraw(seq: number): void {
    const next = { from: seq, by: this.of(seq + 1) - seq }
    const later = this.shifts
      .filter(({ from }) => from > seq + 1)
      .map(({ by, from }) => ({ from: from - 1, by: by + 1 }))
    this.shifts = [...this.shifts.filter(({ from }) => from < seq), next, ...later]
  }

  /** Of the messages up to this one, none is stored any more. */
  release(upTo: number): void {
    const first = this.shifts.findLastIndex(({ from }) => from <= upTo + 1)
    if (first > 0) this.shifts = this.shifts.slice(first)
  }
}
