/** What a client and its session tell each other when a connection begins to act for it. */
import type * as Protocol from "../../protocol/Protocol.js"

/** The figures that a client gives of itself when it comes. */
export interface Peer {
  /** The last message that it has processed. */
  readonly processed: number
  /** The first of its own that it can send again. */
  readonly oldest: number
  /** What it has received, where it says so. */
  readonly received: Protocol.Reception | undefined
  /** What it has of a publication that is not whole. */
  readonly unfinished: Protocol.Unfinished | undefined
  /** Bytes of the largest message that it takes. */
  readonly takes: number
}

/** The figures that a client is told when it comes. */
export interface Told {
  readonly processed: number
  readonly received: Protocol.Reception
  readonly unfinished: Protocol.Unfinished | undefined
}
