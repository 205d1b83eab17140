/** The status of what is kept connected, through any number of attempts, and the reason of its end. */
import type { Verdict } from "../../protocol/CloseCode.js"
import type { AttemptError, MessageInvalid } from "../../protocol/ConnectionError.js"

/**
 * The reason for which there will be no other attempt.
 *
 * - `Closed`: `close` was called, or its scope was closed.
 * - `Stopped`: an answer that a retry would meet again.
 * - `GaveUp`: the reconnect policy is done.
 * - `Invalid`: a message of the server did not decode, and `onInvalid` chose to end.
 * - `Died`: a defect in the reconnect policy or the Dialer.
 *
 * @since 0.1.0
 * @category models
 */
export type EndReason =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Stopped"; readonly verdict: Extract<Verdict, { _tag: "Stop" }>; readonly end: AttemptError }
  | { readonly _tag: "GaveUp"; readonly end: AttemptError }
  | { readonly _tag: "Invalid"; readonly error: MessageInvalid }
  | { readonly _tag: "Died"; readonly defect: unknown }

/**
 * A connection that can be used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ready {
  readonly _tag: "Ready"
  /** Since when, in milliseconds since the epoch. */
  readonly since: number
  /** A heartbeat is unanswered for `suspectAfter`, and nothing has come since: the connection may be dead, and is not given up yet. */
  readonly suspect: boolean
  /** See `Waiting`. */
  readonly idleTimeout: number | undefined
}

/**
 * The time between two attempts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Waiting {
  readonly _tag: "Waiting"
  /** The attempt that follows the delay. */
  readonly attempt: number
  /** In milliseconds. */
  readonly delay: number
  /** In milliseconds since the epoch. */
  readonly until: number
  /** The end of the attempt, or of the connection, before it. */
  readonly reason: AttemptError
  /**
   * The idle timeout of a proxy that lies between, in milliseconds, as soon as three connections in a row were lost after
   * the same silence: `heartbeatInterval` is to be below it.
   */
  readonly idleTimeout: number | undefined
}

/**
 * The status of what is kept connected. Attempts count from 1, and again after each connection that was Ready for
 * `stableAfter`, as the delays do.
 *
 * @since 0.1.0
 * @category models
 */
export type Status<R extends Ready = Ready> =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  | R
  | Waiting
  | { readonly _tag: "Ended"; readonly reason: EndReason }

/** A reason in words. */
export const describeEnd = (reason: EndReason): string => {
  switch (reason._tag) {
    case "Closed":
      return "closed"
    case "Stopped":
      return `stopped (${reason.verdict.why}): ${reason.end.message}`
    case "GaveUp":
      return `the reconnect policy gave up: ${reason.end.message}`
    case "Invalid":
      return reason.error.message
    case "Died":
      return `the client died: ${String(reason.defect)}`
  }
}
