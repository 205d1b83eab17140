/**
 * Every error of Holdfast, in one place, grouped by who gets it: one tag for each recovery decision, with the figures in
 * fields.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { oneLine } from "./oneLine.js"
import type { Position, RecoveryReason } from "./Protocol.js"
import { shown as shownUrl } from "./url.js"

const iso = (millis: number): string => new Date(millis).toISOString()

/**
 * Nothing arrived for the read deadline, or a probe was not answered: the peer counts as dead.
 * `lastActivity` is in milliseconds since the epoch, `deadline` in milliseconds.
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class ReadDeadlineExceeded extends Data.TaggedError("ReadDeadlineExceeded")<{
  readonly lastActivity: number
  readonly deadline: number
}> {
  override get message(): string {
    return `nothing received for ${this.deadline} ms (last activity ${iso(this.lastActivity)}): the peer or the way to it is dead`
  }
}

/**
 * A write was not taken by the network for the write deadline.
 * `since` is when it was written, in milliseconds since the epoch, `deadline` in
 * milliseconds.
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class WriteDeadlineExceeded extends Data.TaggedError("WriteDeadlineExceeded")<{
  readonly since: number
  readonly deadline: number
}> {
  override get message(): string {
    return `a write of ${iso(this.since)} did not leave within ${this.deadline} ms: the peer does not read, or the way to it is dead`
  }
}

/**
 * The peer closed with a close frame (1005: one without a code).
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class ClosedByPeer extends Data.TaggedError("ClosedByPeer")<{
  readonly code: number
  readonly reason: string
}> {
  override get message(): string {
    return `closed by the peer: ${this.code}${this.reason === "" ? "" : ` ${oneLine(this.reason)}`}`
  }
}

/**
 * This end closed the connection.
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class ClosedLocally extends Data.TaggedError("ClosedLocally")<{
  readonly code: number
  readonly reason: string
}> {
  override get message(): string {
    return `closed by this end: ${this.code}${this.reason === "" ? "" : ` ${oneLine(this.reason)}`}`
  }
}

/**
 * The connection broke without a close frame (1006).
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class ConnectionLost extends Data.TaggedError("ConnectionLost")<{ readonly cause?: unknown }> {
  override get message(): string {
    const detail = this.cause instanceof Error ? `: ${oneLine(this.cause.message)}` : ""
    return `the connection broke without a close frame${detail}`
  }
}

/**
 * The peer broke RFC 6455 or the Holdfast protocol; `code` is what it was
 * closed with, `reason` says how.
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export class PeerViolation extends Data.TaggedError("PeerViolation")<{
  readonly code: number
  readonly reason: string
}> {
  override get message(): string {
    return `the peer broke the protocol (${this.code}): ${oneLine(this.reason)}`
  }
}

/**
 * Why a connection ended: exactly one for each connection.
 *
 * @since 0.1.0
 * @category why a connection ended
 */
export type ConnectionEnd =
  | ReadDeadlineExceeded
  | WriteDeadlineExceeded
  | ClosedByPeer
  | ClosedLocally
  | ConnectionLost
  | PeerViolation

interface DialFailedFields {
  /** Kept without what may be secret: its credentials and its query. */
  readonly url: string
  readonly cause: unknown
}

/**
 * No connection could be opened (refused, unreachable, name not found, TLS).
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class DialFailed extends Data.TaggedError("DialFailed")<DialFailedFields> {
  constructor(fields: DialFailedFields) {
    super({ ...fields, url: shownUrl(fields.url) })
  }

  override get message(): string {
    return `cannot connect to ${this.url}: ${describe(this.cause)}`
  }
}

const describe = (cause: unknown): string => {
  if (!(cause instanceof Error)) return oneLine(String(cause))
  // An AggregateError (every address of a name failed) carries an empty message.
  if (cause.message === "" && "code" in cause) return oneLine(String(cause.code))
  return oneLine(cause.message)
}

interface DialRefusedFields {
  /** Kept without what may be secret: its credentials and its query. */
  readonly url: string
  readonly status: number
  readonly body: string
  readonly retryAfter: number | undefined
  readonly refusal?: string | undefined
}

/**
 * The server answered the upgrade with an HTTP status instead of 101.
 * `retryAfter` is in milliseconds, from the `Retry-After` header; `refusal` is
 * the gateway's word for why, and absent where somebody else has answered.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class DialRefused extends Data.TaggedError("DialRefused")<DialRefusedFields> {
  constructor(fields: DialRefusedFields) {
    super({ ...fields, url: shownUrl(fields.url) })
  }

  override get message(): string {
    return `${this.url} answered HTTP ${this.status}${this.body === "" ? "" : `: ${oneLine(this.body)}`}`
  }
}

interface ConnectTimeoutFields {
  /** Kept without what may be secret: its credentials and its query. */
  readonly url: string
  readonly timeout: number
}

/**
 * The connection was not open within the connect timeout, `timeout` milliseconds.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class ConnectTimeout extends Data.TaggedError("ConnectTimeout")<ConnectTimeoutFields> {
  constructor(fields: ConnectTimeoutFields) {
    super({ ...fields, url: shownUrl(fields.url) })
  }

  override get message(): string {
    return `no connection to ${this.url} within ${this.timeout} ms`
  }
}

/**
 * The server did not answer `hello` within the hello timeout, `timeout` milliseconds.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class WelcomeTimeout extends Data.TaggedError("WelcomeTimeout")<{ readonly timeout: number }> {
  override get message(): string {
    return `no welcome within ${this.timeout} ms of the hello`
  }
}

/**
 * The application's token effect, or that of the URL or the headers, failed or did not answer within `tokenTimeout`; the
 * client tries again later.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class TokenUnavailable extends Data.TaggedError("TokenUnavailable")<{ readonly cause: unknown }> {
  override get message(): string {
    return `no token for the server: ${describe(this.cause)}`
  }
}

/**
 * The application's `onConnect` failed, or did not end within `connectTimeout`: the connection was never Ready.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export class OnConnectFailed extends Data.TaggedError("OnConnectFailed")<{ readonly cause: unknown }> {
  override get message(): string {
    return `onConnect failed: ${describe(this.cause)}`
  }
}

/**
 * Why an attempt to connect, or the connection it gave, came to its end.
 *
 * @since 0.1.0
 * @category why an attempt failed
 */
export type AttemptError =
  | ConnectionEnd
  | DialFailed
  | DialRefused
  | ConnectTimeout
  | WelcomeTimeout
  | TokenUnavailable
  | OnConnectFailed

/**
 * An application message does not fit its Schema, or cannot be written in the
 * codec. `seq` is its sequence number when it came from the peer, `issue` says in
 * words what is wrong.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class MessageInvalid extends Data.TaggedError("MessageInvalid")<{
  readonly seq: number | undefined
  readonly issue: string
}> {
  override get message(): string {
    return this.seq === undefined
      ? `the value does not fit its Schema, or the wire: ${this.issue}`
      : `message ${this.seq} of the peer does not decode: ${this.issue}`
  }
}

/**
 * An application message is larger than the session's limit, both in bytes.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class MessageTooLarge extends Data.TaggedError("MessageTooLarge")<{
  readonly size: number
  readonly limit: number
}> {
  override get message(): string {
    return `the message has ${this.size} bytes and the limit is ${this.limit}: split it, or raise maxMessage on the gateway`
  }
}

/**
 * The fate of a `deliver`: the server got the message and refused it, most
 * often because it does not fit the server's Schema (`invalid-message`). It
 * would be refused again.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class MessageRefused extends Data.TaggedError("MessageRefused")<{
  readonly code: string
  readonly reason: string
}> {
  override get message(): string {
    return `the server refused the message (${oneLine(this.code, 64)}): ${oneLine(this.reason, 300)}`
  }
}

/**
 * The fate of a `deliver`: the message never left, so sending it again is safe.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class NotSent extends Data.TaggedError("NotSent")<{ readonly reason: string }> {
  override get message(): string {
    return `the message was not sent (${this.reason}); sending it again cannot duplicate it`
  }
}

/**
 * The fate of a `deliver`: the message left, and no acknowledgement will come.
 * The peer may or may not have processed it.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class OutcomeUnknown extends Data.TaggedError("OutcomeUnknown")<{ readonly reason: string }> {
  override get message(): string {
    return `the message was sent, and whether it was processed is unknown (${this.reason})`
  }
}

/**
 * The session or the client has ended; nothing can be sent any more.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class SessionClosed extends Data.TaggedError("SessionClosed")<{ readonly reason: string }> {
  override get message(): string {
    return `the session has ended: ${this.reason}`
  }
}

/**
 * A connection that was kept has ended for good: there will be no other.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class NotKept extends Data.TaggedError("NotKept")<{ readonly reason: string }> {
  override get message(): string {
    return `the connection is not kept any more: ${this.reason}`
  }
}

/**
 * There is no session of this id: on this gateway, for `session`; on none, for `send`.
 *
 * @since 0.1.0
 * @category of a message, for who sends it
 */
export class SessionNotFound extends Data.TaggedError("SessionNotFound")<{ readonly id: string }> {
  override get message(): string {
    return `there is no session ${this.id}`
  }
}

/**
 * An idempotency key was used before, with another body: one of the two
 * publications would be lost if this counted as a repetition.
 *
 * @since 0.1.0
 * @category of a topic, for who publishes or subscribes
 */
export class KeyReused extends Data.TaggedError("KeyReused")<{ readonly topic: string; readonly key: string }> {
  override get message(): string {
    return `the key ${this.key} was used in ${this.topic} before, with another body: take a new key for each publication`
  }
}

/**
 * So many idempotency keys are remembered that this publisher may add none now: nothing was published. `option` names
 * the limit, `retryAfter` is the milliseconds after which there is room again.
 *
 * @since 0.1.0
 * @category of a topic, for who publishes or subscribes
 */
export class TooManyKeys extends Data.TaggedError("TooManyKeys")<{
  readonly option: "maxKeys" | "maxKeysPerSession"
  readonly limit: number
  readonly retryAfter: number
}> {
  override get message(): string {
    return `too many keys are remembered (${this.option}: ${this.limit}): publish again in ${this.retryAfter} ms, or without a key`
  }
}

/**
 * The server refused a request about a topic, or this end did before it was
 * sent. `code` is one of `PROTOCOL.md` §9; `unsubscribed` when the server has
 * ended the subscription by itself, `malformed-position` when `since` is none.
 * With `retryAfter`, the same may be asked again after so many milliseconds.
 *
 * @since 0.1.0
 * @category of a topic, for who publishes or subscribes
 */
export class TopicRefused extends Data.TaggedError("TopicRefused")<{
  readonly topic: string
  readonly code: string
  readonly reason: string
  readonly retryAfter?: number | undefined
}> {
  override get message(): string {
    return `${oneLine(this.topic, 300)} was refused (${oneLine(this.code, 64)}): ${oneLine(this.reason, 300)}`
  }
}

/**
 * A subscription cannot go on where it was: publications after `since` are
 * lost to it, for `reason`. Fetch the state they would have led to, and
 * subscribe again from `position`, the place in the log that it is known to be
 * of from now on.
 *
 * @since 0.1.0
 * @category of a topic, for who publishes or subscribes
 */
export class PositionLost extends Data.TaggedError("PositionLost")<{
  readonly topic: string
  readonly reason: RecoveryReason
  readonly since: Position | undefined
  readonly position: Position
}> {
  override get message(): string {
    const at = this.since === undefined ? "" : ` after ${this.since.offset}`
    return `publications of ${this.topic}${at} are lost (${this.reason}): it goes on at ${this.position.offset}`
  }
}

/**
 * The gateway does not know who asks: closed with 4401.
 *
 * @since 0.1.0
 * @category of who connects, for a gateway to fail with
 */
export class NotAuthenticated extends Data.TaggedError("NotAuthenticated")<{ readonly reason: string }> {
  override get message(): string {
    return `not authenticated: ${this.reason}`
  }
}

/**
 * The gateway knows who asks, and refuses: closed with 4403.
 *
 * @since 0.1.0
 * @category of who connects, for a gateway to fail with
 */
export class NotAllowed extends Data.TaggedError("NotAllowed")<{ readonly reason: string }> {
  override get message(): string {
    return `not allowed: ${this.reason}`
  }
}

/**
 * The upgrade request is refused with this HTTP status and body.
 *
 * @since 0.1.0
 * @category of who connects, for a gateway to fail with
 */
export class UpgradeRefused extends Data.TaggedError("UpgradeRefused")<{
  readonly status: number
  readonly body: string
}> {
  override get message(): string {
    return `upgrade refused with HTTP ${this.status}: ${this.body}`
  }
}

/**
 * The listener could not be started, most often because the port is in use.
 *
 * @since 0.1.0
 * @category of what is started
 */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly address: string
  readonly cause: unknown
}> {
  override get message(): string {
    const code = this.cause instanceof Error && "code" in this.cause ? this.cause.code : undefined
    return code === "EADDRINUSE"
      ? `cannot listen on ${this.address}: the port is in use; stop the other program or choose another port`
      : `cannot listen on ${this.address}: ${describe(this.cause)}`
  }
}

/**
 * An option's value breaks its rule.
 *
 * @since 0.1.0
 * @category of what is started
 */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  readonly value: string
  readonly rule: string
}> {
  override get message(): string {
    return `invalid option ${this.option} = ${this.value}: ${this.rule}`
  }
}

/**
 * The gateway cannot take new sessions now, for this reason: send clients to another one.
 *
 * @since 0.1.0
 * @category of what is started
 */
export class NotReady extends Data.TaggedError("NotReady")<{ readonly reason: string; readonly cause: unknown }> {
  override get message(): string {
    return `not ready: ${this.reason}`
  }
}

/**
 * The store's session has moved to a newer generation, or is `gone`: this owner
 * is fenced off and must stop acting for the session.
 *
 * @since 0.1.0
 * @category of a store or a broker
 */
export class Fenced extends Data.TaggedError("Fenced")<{
  readonly id: string
  readonly generation: number
  /**
   * The store knows of no such session, or of no generation so new, since it lost its last writes: what the caller owned
   * is nowhere, and nobody else has it.
   */
  readonly gone: boolean
}> {
  override get message(): string {
    return `generation ${this.generation} no longer owns session ${this.id}`
  }
}

/**
 * The store cannot be reached or failed; the operation may be tried again.
 *
 * @since 0.1.0
 * @category of a store or a broker
 */
export class StoreUnavailable extends Data.TaggedError("StoreUnavailable")<{ readonly cause: unknown }> {
  override get message(): string {
    return `the session store failed: ${describe(this.cause)}`
  }
}

/**
 * The broker cannot be reached or failed; the operation may be tried again.
 *
 * @since 0.1.0
 * @category of a store or a broker
 */
export class BrokerUnavailable extends Data.TaggedError("BrokerUnavailable")<{ readonly cause: unknown }> {
  override get message(): string {
    return `the broker failed: ${describe(this.cause)}`
  }
}
