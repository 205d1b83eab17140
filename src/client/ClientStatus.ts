/**
 * The status of a client, its end, and what it tells besides messages.
 *
 * @since 0.1.0
 */

import type { Stats } from "../connection/Connection.js"
import * as status from "../connection/keep/status.js"
import type { MessageInvalid, TokenUnavailable } from "../protocol/ConnectionError.js"
import type { ResetReason } from "../protocol/Protocol.js"
import type { Unfinished } from "../session/sessionMachine.js"

/**
 * The beginning of a connection's session.
 *
 * `Reset`: the one before is lost, for `reason`. `outcomeUnknown` messages had
 * left without being acknowledged; `carriedOver` had not left, and go out in
 * the new session.
 *
 * @since 0.1.0
 * @category models
 */
export type Start =
  | { readonly _tag: "Fresh" }
  | { readonly _tag: "Resumed" }
  | {
      readonly _tag: "Reset"
      readonly reason: ResetReason
      readonly outcomeUnknown: number
      readonly carriedOver: number
    }

export type { EndReason } from "../connection/keep/status.js"

/**
 * A session that is connected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ready extends status.Ready {
  readonly session: string
  /** Of the connections of this session: the first has 1. */
  readonly generation: number
  readonly start: Start
}

/**
 * The state of a client. Times are milliseconds since the epoch, delays
 * milliseconds. Attempts count from 1, and again after each connection that was
 * Ready for `stableAfter`, as the delays do.
 *
 * @since 0.1.0
 * @category models
 */
export type Status = status.Status<Ready>

/**
 * An event that a client tells besides messages and its status.
 *
 * - `SessionLost`: the session could not be resumed; a new one has begun.
 * - `MessageInvalid`: a message of the server did not decode.
 * - `Refused`: the server refused message `seq` of this client; or, with the code `too-large` and without a number, a message
 *   was accepted that the server it has come to does not take.
 * - `Invited`: the server has subscribed this client to a topic; `client.subscribe` reads it.
 * - `GoingAway`: the server is about to close; the client comes back after `retryAfter` milliseconds.
 * - `TokenUnavailable`: the server asked for a fresh token, and the token effect failed; it is tried again for as long as
 *   the connection lives.
 * - `NotKept`: the `SessionKeeper` has failed; what is lost with this client is lost.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientEvent =
  | ({ readonly _tag: "SessionLost" } & Omit<Extract<Start, { _tag: "Reset" }>, "_tag">)
  | { readonly _tag: "MessageInvalid"; readonly error: MessageInvalid }
  | { readonly _tag: "Refused"; readonly code: string; readonly reason: string; readonly seq: number | undefined }
  | { readonly _tag: "Invited"; readonly topic: string }
  | { readonly _tag: "GoingAway"; readonly retryAfter: number; readonly reason: string }
  | { readonly _tag: "TokenUnavailable"; readonly error: TokenUnavailable }
  | { readonly _tag: "NotKept"; readonly cause: unknown }

/**
 * The counts of a client. Messages are counted by the session: from 0 again when a new one has begun, but for what was
 * replayed and suppressed.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientStats {
  /** The connection that acts for the session, and what it is kept alive with, in milliseconds. */
  readonly connection:
    | (Stats & { readonly heartbeatInterval: number; readonly readDeadline: number; readonly suspectAfter: number })
    | undefined
  /** Messages that `send` and `deliver` have accepted. */
  readonly sent: number
  /** Those of them that the server has processed, as far as this end has heard. */
  readonly acknowledged: number
  /** Those that are kept until then, the ones that have not left included. */
  readonly unacknowledged: { readonly messages: number; readonly bytes: number }
  /** Messages of the server, each counted once. */
  readonly received: number
  /** Those of them that `messages` has seen processed. */
  readonly processed: number
  /** The large message that is on its way in parts, and how many of its bytes the server has. */
  readonly sending: Unfinished | undefined
  /** The large message that comes in parts, and how many of its bytes are here. */
  readonly receiving: Unfinished | undefined
  /** The large publication of this client that is on its way in chunks, by its key, and how many of its bytes the server has. */
  readonly publishing: { readonly key: string; readonly received: number; readonly size: number } | undefined
  /** The large publication of another that comes in chunks, and how many of its bytes are here. */
  readonly receivingPublication: { readonly received: number; readonly size: number } | undefined
  /** Messages sent again after a reconnect, because the server had not processed them. */
  readonly replayed: number
  /** Messages that the server sent again and this end had: nobody but this counter noticed. */
  readonly suppressed: number
}

/**
 * The reason of a client's end in words.
 *
 * @since 0.1.0
 * @category rendering
 */
export const describeEnd: (reason: status.EndReason) => string = status.describeEnd
