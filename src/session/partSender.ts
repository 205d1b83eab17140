/**
 * The parts in which large messages leave. So many bytes of them are on their way unanswered: two parts at first, more while each is answered
 * within a second, and what the way carries in a second where it is not. So nothing else waits long behind them, and a
 * fast way is kept full.
 */
import type { Payload } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"

/** Milliseconds within which a part is to be answered. */
const patience = 1000

/** Bytes of the smallest part that is cut here, but for a message's last. */
const leastCut = 4096

interface Sent {
  /** What the peer will have when it has this one. */
  readonly answer: Protocol.Reception
  readonly size: number
  readonly at: number
  /** Bytes that were on their way then, with its own. */
  readonly inFlight: number
}

interface Piece {
  readonly piece: Payload
  /** The byte that follows it. */
  readonly until: number
}

const isBefore = (one: Protocol.Reception, other: Protocol.Reception): boolean =>
  one.seq < other.seq || (one.seq === other.seq && one.bytes < other.bytes)

/** A place in a text, which is counted in UTF-16 units here and in bytes on the wire. */
interface Cursor {
  readonly text: string
  readonly index: number
  readonly bytes: number
}

/** The furthest place that is at most so many bytes behind another, between two characters. */
const advance = ({ bytes, index, text }: Cursor, most: number): Cursor => {
  let at = index
  let left = most
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    const isPair = unit >= 0xd800 && unit < 0xdc00
    const size = unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPair ? 4 : 3
    if (size > left) break
    left -= size
    at += isPair ? 2 : 1
  }
  return { text, index: at, bytes: bytes + most - left }
}

export class PartSender {
  private window: number
  private sent: Array<Sent> = []
  private inFlight = 0
  /** The least time after which a part was answered on this connection: the way is as long as that, however fast. */
  private least = Number.POSITIVE_INFINITY
  /** False on a connection that is not the first, until a part is answered there. */
  private isAnswered = true
  private cursor: Cursor | undefined

  /** `largest` is the size of the largest part, in bytes; `now` gives milliseconds of the monotonic clock. */
  constructor(
    readonly largest: number,
    private readonly now: () => number
  ) {
    this.window = 2 * largest
  }

  /** Nothing is on its way on the next connection; the way may be the same, and others have waited for it: one part goes first. */
  restart(): void {
    this.sent = []
    this.inFlight = 0
    this.isAnswered = false
    this.least = Number.POSITIVE_INFINITY
    this.window = Math.min(this.window, 2 * this.largest)
  }

  private get size(): number {
    return Math.min(this.largest, Math.max(leastCut, Math.floor(this.window / 2)))
  }

  /** True when one more part may be on its way. */
  get hasRoom(): boolean {
    return this.inFlight === 0 || (this.isAnswered && this.inFlight + this.size <= this.window)
  }

  /** The next piece of a body, from this byte on; undefined where it has no character that begins there. */
  cut(payload: Payload, at: number): Piece | undefined {
    if (typeof payload !== "string") {
      const until = Math.min(payload.byteLength, at + this.size)
      return until > at ? { piece: payload.subarray(at, until), until } : undefined
    }
    const known = this.cursor
    const isKnown = known?.text === payload && known.bytes <= at
    const start = advance(isKnown ? known : { text: payload, index: 0, bytes: 0 }, at - (isKnown ? known.bytes : 0))
    const end = advance(start, this.size)
    // A text that has left is not held.
    this.cursor = end.index < payload.length ? start : undefined
    return start.bytes === at && end.index > start.index
      ? { piece: payload.slice(start.index, end.index), until: end.bytes }
      : undefined
  }

  /** A part of so many bytes was written; with it the peer will have this. */
  wrote(answer: Protocol.Reception, size: number): void {
    this.inFlight += size
    this.sent.push({ answer, size, at: this.now(), inFlight: this.inFlight })
  }

  /** The peer has this: how many of those that are on their way that answers. One answer may do for several. */
  answers(has: Protocol.Reception): number {
    const at = this.sent.findIndex(({ answer }) => isBefore(has, answer))
    return at < 0 ? this.sent.length : at
  }

  answered(has: Protocol.Reception): void {
    this.isAnswered = true
    for (const { at, inFlight, size } of this.sent.splice(0, this.answers(has))) {
      this.inFlight -= size
      const took = this.now() - at
      this.least = Math.min(this.least, took)
      // What the way carries within the patience, as far as this part tells.
      const carried = Math.floor((inFlight * patience) / Math.max(1, took))
      const isQueued = took - this.least > patience / 2
      if (took <= patience) this.window = Math.max(this.window, Math.min(carried, this.window + size))
      else if (isQueued) this.window = Math.max(2 * leastCut, Math.min(this.window, carried))
    }
  }
}
