/** The publications of all logs in memory together, the oldest first, within a bound of the bytes that they take. */
import { type Linked, LinkedList } from "./linkedList.js"

/** Bytes that a publication takes besides its text: its place in the log and among all, and its part of what the log itself takes. */
const overhead = 256

const wide = /[\u0100-\uffff]/

/** Bytes of a text in memory: two a unit as soon as one is not Latin-1. A text that is held as Latin-1 is not walked through. */
const bytesOf = (text: string): number => (wide.test(text) ? 2 * text.length : text.length)

/** A log, as far as room is made in it. */
interface Log {
  readonly dropOldest: () => void
}

/** What is kept of a publication. Its position is where it stands in its log: an object less for each that is held. */
export class Held implements Linked<Held> {
  previous: Held | undefined
  next: Held | undefined
  readonly size: number

  constructor(
    /** Of which it is one of the publications that are kept. */
    readonly log: Log,
    readonly payload: string,
    /** On the monotonic clock. */
    readonly since: number,
    /** The time that is told of it, in milliseconds since the epoch. */
    readonly at: number
  ) {
    this.size = overhead + bytesOf(payload)
  }
}

export class HeldPublications {
  private readonly row = new LinkedList<Held>()
  private bytes = 0

  constructor(private readonly maxBytes: number) {}

  /** Makes room for it: the oldest go, of whatever log. One that is larger than all that may be held is held alone. */
  add(held: Held): void {
    this.row.push(held)
    this.bytes += held.size
    for (let oldest = this.row.first; this.bytes > this.maxBytes && oldest !== held; oldest = this.row.first) {
      oldest?.log.dropOldest()
    }
  }

  remove(held: Held): void {
    this.row.remove(held)
    this.bytes -= held.size
  }
}
