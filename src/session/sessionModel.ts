/**
 * The words in which a session is told: its state, what may happen to it, and what is then to be done.
 *
 * @since 0.1.0
 */
import type * as Protocol from "../protocol/Protocol.js"

/**
 * Which connection, if any, acts for the session. A connection is named by the
 * generation it attached with; what comes from any other is stale.
 *
 * @since 0.1.0
 * @category models
 */
export type Link =
  | { readonly _tag: "Detached" }
  | { readonly _tag: "Attached"; readonly generation: number }
  | { readonly _tag: "Ended" }

/**
 * The state of one end of a session, in numbers: the messages stay with the driver.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly link: Link
  /** The latest generation that was attached; 0 before the first. */
  readonly generation: number
  /** Out: the last sequence number given to a message. */
  readonly sent: number
  /** Out: the last one that the store has; only these may leave. */
  readonly appended: number
  /** Out: the last one written to the connection that is attached now. */
  readonly transmitted: number
  /** Out: the last one ever written whole to any connection. */
  readonly highest: number
  /** Out: the last one of which anything was ever written. */
  readonly begun: number
  /** Out: bytes of message `transmitted + 1` that the peer has, or were written to the connection that is attached now. */
  readonly partOut: number
  /** Out: the last one that the peer has processed, as far as is known. */
  readonly acked: number
  /** In: the last one received in order. */
  readonly received: number
  /** In: bytes of message `received + 1` that are here. */
  readonly partIn: number
  /** In: how many it has in all, once some are here. */
  readonly partSize: number
  /** In: the last one whose handler has succeeded. */
  readonly processed: number
  /** In: the last one whose processing the store has; only these may be acknowledged. */
  readonly recorded: number
  /** In: the last one acknowledged to the peer. */
  readonly ackSent: number
  /** In: how many messages the peer may have unprocessed here. */
  readonly window: number
}

/**
 * A message of the peer: of all that it may carry, the state looks at its number alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Numbered {
  readonly seq: number
}

/**
 * A piece of a message: its bytes from `at` until `until`, of `of` in all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Part extends Numbered {
  readonly at: number
  readonly until: number
  readonly of: number
}

/**
 * A message that has come in part: so many bytes of `size`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unfinished extends Numbered {
  readonly received: number
  readonly size: number
}

/**
 * Something that has happened to a session.
 *
 * @since 0.1.0
 * @category models
 */
export type Event<M extends Numbered = Numbered, P extends Part = Part> =
  /** The application sends a message. */
  | { readonly _tag: "Send" }
  /** The store has everything up to this one. */
  | { readonly _tag: "Appended"; readonly upTo: number }
  /** The application has given up this message: those after it move up, if it was never written. */
  | { readonly _tag: "Withdrawn"; readonly seq: number }
  /** The next message was written to the connection, with this acknowledgement. */
  | { readonly _tag: "Transmitted"; readonly seq: number; readonly ack: number }
  /** The bytes up to this one of the next message were written to the connection, and not yet all of them, with this acknowledgement. */
  | { readonly _tag: "PartTransmitted"; readonly seq: number; readonly until: number; readonly ack: number }
  /** A `part` of a message came. */
  | { readonly _tag: "PartReceived"; readonly generation: number; readonly part: P; readonly ack: number }
  /** What is here of a message that is not whole was given up. */
  | { readonly _tag: "PartDropped" }
  /** A `data` message came, or the last part of one. */
  | { readonly _tag: "Received"; readonly generation: number; readonly message: M; readonly ack: number }
  /** An `ack` message came. */
  | { readonly _tag: "Acknowledged"; readonly generation: number; readonly ack: number }
  /** The handler of this message succeeded. */
  | { readonly _tag: "Processed"; readonly seq: number }
  /** The store has the processing of everything up to this one. */
  | { readonly _tag: "Recorded"; readonly upTo: number }
  /** An acknowledgement up to this one was written by itself. */
  | { readonly _tag: "AckSent"; readonly upTo: number }
  /**
   * A newer connection acts for the session. `peerProcessed` is the last
   * message of ours that the peer has processed, `peerReceived` what it has received beside that, `peerOldest` the first of its
   * own that it can still retransmit, `told` what this end told the peer of its
   * own processing when it introduced itself.
   */
  | {
      readonly _tag: "Attach"
      readonly generation: number
      readonly peerProcessed: number
      /** Of a peer that does not say: what it has processed. */
      readonly peerReceived?: Protocol.Reception | undefined
      readonly peerOldest: number
      readonly told: number
    }
  /** This connection is gone. */
  | { readonly _tag: "Detach"; readonly generation: number }
  /** The session is over. */
  | { readonly _tag: "End" }

/**
 * A thing that the driver must do; they come in order.
 *
 * @since 0.1.0
 * @category models
 */
export type Effect<M extends Numbered = Numbered, P extends Part = Part> =
  /** Have the store append everything in `(appended, sent]`, then say `Appended`. */
  | { readonly _tag: "Append" }
  /** Write what is in `(transmitted, appended]` as far as the connection takes it, saying `Transmitted` for each. */
  | { readonly _tag: "Transmit" }
  /** Forget the messages up to this one: the peer has processed them. */
  | { readonly _tag: "Release"; readonly upTo: number }
  /** Forget this message, and number those after it anew, each one lower. */
  | { readonly _tag: "Withdraw"; readonly seq: number }
  /** Hand this message to the application. */
  | { readonly _tag: "Deliver"; readonly message: M }
  /** Keep this piece: the message is not whole yet. */
  | { readonly _tag: "Keep"; readonly part: P }
  /** This piece makes the message whole: say that it is `Received`. */
  | { readonly _tag: "Complete"; readonly part: P }
  /** This message, or the last part of it, was here before: drop it. */
  | { readonly _tag: "Suppress"; readonly message: Numbered }
  /** `recorded` is ahead of `ackSent`: acknowledge soon. */
  | { readonly _tag: "AckDue" }
  /** The peer broke the protocol: close with 4400 and this reason. */
  | { readonly _tag: "Violation"; readonly reason: string }
  /** The session cannot go on where it was. */
  | { readonly _tag: "Refuse"; readonly reason: Protocol.ResetReason }

/**
 * The next state, and what the driver must do, in order.
 *
 * @since 0.1.0
 * @category models
 */
export type Step<M extends Numbered = Numbered, P extends Part = Part> = readonly [State, ReadonlyArray<Effect<M, P>>]

/**
 * A state that its owner, who alone refers to it, lets change in place.
 *
 * @since 0.1.0
 * @category models
 */
export type Draft = { -readonly [K in keyof State]: State[K] }
