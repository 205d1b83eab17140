/**
 * The window of the parts and chunks in which large messages leave. So many bytes of them are on their way unanswered: two at first, more
 * while each is answered within a second, and what the way carries in a second where it is not. So nothing else waits long
 * behind them, and a fast way is kept full.
 */
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Frame } from "../../protocol/Codec.js"

/** Milliseconds within which a part is to be answered. */
const patience = 1000

/** Bytes of the smallest part that is cut here, but for a message's last. */
const leastCut = 4096

interface Sent {
  /** True for an answer which shows that the peer has this one. */
  readonly isAnsweredBy: (answer: Answer) => boolean
  readonly size: number
  readonly at: number
  /** Bytes that were on their way then, with its own. */
  readonly inFlight: number
}

/** What the peer says it has: of the messages that are numbered, or of one that has a name. */
export interface Answer {
  readonly name?: string
  readonly seq?: number
  readonly bytes: number
}

/** The way that all large messages of a session share. */
export interface Way {
  readonly window: PartWindow
  /** The next chunk may go. */
  readonly chunksMayGo: () => void
  /** There is no room for what comes: the connection has to end. */
  readonly refuse: () => void
  /** A message that travels in chunks came whole, in this frame. */
  readonly cameWhole: (frame: Frame, live: LiveConnection) => void
}

export class PartWindow {
  private window: number
  private sent: Array<Sent> = []
  private inFlight = 0
  /** The least time after which a part was answered on this connection: the way is as long as that, however fast. */
  private least = Number.POSITIVE_INFINITY
  /** False on a connection that is not the first, until a part is answered there. */
  private isAnswered = true

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

  /** Bytes of the next part. */
  get size(): number {
    return Math.min(this.largest, Math.max(leastCut, Math.floor(this.window / 2)))
  }

  /** True when one more part may be on its way. */
  get hasRoom(): boolean {
    return this.inFlight === 0 || (this.isAnswered && this.inFlight + this.size <= this.window)
  }

  /** A part of so many bytes was written. */
  wrote(size: number, isAnsweredBy: (answer: Answer) => boolean): void {
    this.inFlight += size
    this.sent.push({ isAnsweredBy, size, at: this.now(), inFlight: this.inFlight })
  }

  /** How many of those that are on their way this answers: they arrive in their order, and one answer may do for several. */
  answers(answer: Answer): number {
    let at = this.sent.length
    while (at > 0 && this.sent[at - 1]?.isAnsweredBy(answer) === false) at--
    return at
  }

  answered(answer: Answer): void {
    this.isAnswered = true
    for (const { at, inFlight, size } of this.sent.splice(0, this.answers(answer))) {
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
