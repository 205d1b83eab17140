/** The messages of a client that were refused, and what it is told of them: kept until it surely knows. */
import { byteLength, type Codec } from "../../protocol/Codec.js"
import { saidReason, withinBytes } from "../../protocol/oneLine.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { RefusedMessage } from "../../session/SessionStore.js"

/** Bytes of a code: an error message has room for it, beside its reason. */
const mostOfCode = 64

const none: ReadonlyArray<RefusedMessage> = []

/** The error message of the protocol. */
export const said = (refused: RefusedMessage): Protocol.Refusal => ({ type: "error", ...refused })

export class Refusals {
  private kept: ReadonlyArray<RefusedMessage>

  constructor(
    /** Messages that the client may have unacknowledged: it knows of what was before. */
    readonly window: number,
    stored: ReadonlyArray<RefusedMessage>
  ) {
    this.kept = stored
  }

  add(seq: number, code: string, reason: string): RefusedMessage {
    const refused = { seq, code: withinBytes(code, mostOfCode), reason: saidReason(reason) }
    const recent = this.kept.filter((other) => other.seq > seq - this.window)
    this.kept = [...recent, refused]
    return refused
  }

  /** Those in `(after, upTo]`; there is nothing to look at where the latest is before. */
  between(after: number, upTo: number): ReadonlyArray<RefusedMessage> {
    const latest = this.kept.at(-1)
    if (latest === undefined || latest.seq <= after) return none
    return this.kept.filter(({ seq }) => seq > after && seq <= upTo)
  }

  /**
   * Those in `[oldest, upTo]`, which a client may have missed that still holds messages from `oldest` on, in `most` bytes: without
   * their reasons where that is too little. `undefined` if it is even then.
   */
  missed(oldest: number, upTo: number, most: number, codec: Codec): ReadonlyArray<Protocol.Refusal> | undefined {
    const missed = this.between(oldest - 1, upTo).map(said)
    const fits = (all: ReadonlyArray<Protocol.Refusal>) =>
      all.reduce((sum, refusal) => sum + byteLength(codec.encode(refusal)) + 1, 0) <= most
    if (fits(missed)) return missed
    const short = missed.map((refusal) => ({ ...refusal, reason: "" }))
    return fits(short) ? short : undefined
  }
}
