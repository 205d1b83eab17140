/** The options of a session's driver, and the hooks by which its end hears from it. */
import type * as Exit from "effect/Exit"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { Codec } from "../protocol/Codec.js"
import type { ConnectionEnd } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { AckTimer } from "./ackTimer.js"
import type { InboundLimiter } from "./inboundLimiter.js"
import type { UnfinishedBytes } from "./large/partReceiver.js"
import type { Pacer } from "./pacer.js"
import type { Bounds, Entry } from "./replayBuffer.js"

type ControlMessage = Exclude<Protocol.Control, { type: "ack" | "received" | "chunk-received" | "ping" | "pong" }>

/** The end of a session by which its driver tells what happens. A client's does without some. */
export interface Hooks {
  /** A message that is not the session's own business, and its size. */
  control(message: ControlMessage, live: LiveConnection, size: number): void
  /** The connection that acted for the session is gone. */
  detached(end: ConnectionEnd, live: LiveConnection): void
  /** The first message on a connection: the peer has what it was introduced with. */
  proved(generation: number): void
  /** There are messages to handle, or there will be none any more. */
  arrived?(): void
  /** The connection takes writes again, or more of what is large; and the session's messages went first. */
  drained(): void
  /** The peer has processed more of what was sent. */
  released(): void
  /** This end has processed the messages up to this one, and the peer was not told. */
  recorded?(upTo: number): void
  /** A message was taken back, and those after it have moved up; without it what was accepted stays. */
  withdrawn?(seq: number): void
  /**
   * Appends messages to the store, in order, and calls back with the outcome:
   * success, or a failure after which the session is over. One call at a time.
   */
  append?(entries: ReadonlyArray<Entry>, done: (exit: Exit.Exit<unknown, unknown>) => void): void
}

/** The losses of a client that starts afresh. */
export interface Abandoned {
  /** Messages that had left without being acknowledged: processed or not, nobody knows. */
  readonly outcomeUnknown: number
  /** Messages that had not left: they go out in the new session. */
  readonly carriedOver: number
}

export interface DriverOptions {
  readonly codec: Codec
  readonly limits: Protocol.Limits
  /** The largest body that this end takes, in bytes. */
  readonly largestBody: number
  readonly bounds: Bounds
  readonly ackTimer: AckTimer
  /** Counts what the peer sends. */
  readonly guard?: InboundLimiter | undefined
  /** The bytes of unfinished messages that all sessions here may hold. */
  readonly unfinished?: UnfinishedBytes | undefined
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
  /** Spreads what this end sends. */
  readonly pacing?: Pacer | undefined
  /** True where `replayed` is said after what was retransmitted. */
  readonly marksReplay: boolean
}
