/**
 * The messages on the wire, as Schema. `PROTOCOL.md` says what each means;
 * how they become frames is `Codec`'s business.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Count, Id, Interval, Millis, Sequence } from "./fields.js"
import {
  Invite,
  Publication,
  Publish,
  Published,
  Subscribe,
  Subscribed,
  Unsubscribe,
  Unsubscribed
} from "./TopicProtocol.js"

export * from "./TopicProtocol.js"

/**
 * The WebSocket subprotocols, in the order of preference.
 *
 * @since 0.1.0
 * @category subprotocols
 */
export const subprotocols = ["holdfast.v1.json", "holdfast.v1.msgpack"] as const

/**
 * @since 0.1.0
 * @category subprotocols
 */
export type Subprotocol = (typeof subprotocols)[number]

/**
 * The names of what this version knows beside the first one. An end uses what both have named, and ignores names that it
 * does not know.
 *
 * - `request-limits`: requests have limits of their own, `limits.requestRate` and `limits.requests` of the welcome.
 * - `client-limits`: a client says in its hello what it takes, and is sent no more.
 *
 * @since 0.1.0
 * @category features
 */
export const features = ["request-limits", "client-limits"] as const

/**
 * @since 0.1.0
 * @category features
 */
export type Feature = (typeof features)[number]

/** At most 64 names of at most 64 characters. */
const Features = Schema.Array(Schema.String.pipe(Schema.maxLength(64))).pipe(Schema.maxItems(64))

/**
 * The part of a hello that resumes a session.
 *
 * @since 0.1.0
 * @category messages
 */
export const Resume = Schema.Struct({
  session: Id,
  secret: Id,
  /** The last message of the server that this client has processed. */
  processed: Count,
  /** The first message that this client still holds for retransmission. */
  oldest: Sequence,
  /** Larger than in any earlier hello that asked for this session: an older one that arrives late is refused. */
  attempt: Schema.optionalWith(Sequence, { exact: true })
})

/**
 * @since 0.1.0
 * @category messages
 */
export type Resume = typeof Resume.Type

/** At most 2^30, so that nobody makes a client keep more. */
const Limit = Schema.Number.pipe(Schema.int(), Schema.between(1, 2 ** 30))

/**
 * The limits of a client, which a server obeys that knows `client-limits`.
 *
 * @since 0.1.0
 * @category client to server
 */
export const ClientLimits = Schema.Struct({
  /** Bytes of one application message, and of one publication. */
  maxMessage: Schema.optionalWith(Limit, { exact: true })
})

/**
 * @since 0.1.0
 * @category client to server
 */
export type ClientLimits = typeof ClientLimits.Type

/**
 * @since 0.1.0
 * @category client to server
 */
export const Hello = Schema.Struct({
  type: Schema.Literal("hello"),
  token: Schema.optionalWith(Schema.String, { exact: true }),
  heartbeat: Schema.optionalWith(Schema.Literal("message"), { exact: true }),
  resume: Schema.optionalWith(Resume, { exact: true }),
  /** The features that this client knows: see `features`. */
  features: Schema.optionalWith(Features, { exact: true }),
  limits: Schema.optionalWith(ClientLimits, { exact: true })
})

/**
 * @since 0.1.0
 * @category client to server
 */
export type Hello = typeof Hello.Type

/**
 * Why a session was not resumed.
 *
 * @since 0.1.0
 * @category server to client
 */
export const ResetReason = Schema.Literal("unknown", "expired", "overflow", "secret", "incomplete")

/**
 * @since 0.1.0
 * @category server to client
 */
export type ResetReason = typeof ResetReason.Type

/**
 * The limits of a server, which a client obeys.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Limits = Schema.Struct({
  /** Bytes of one application message. */
  maxMessage: Limit,
  /** Messages that either end may have sent and not seen acknowledged. */
  messages: Limit,
  /** Bytes of them. */
  bytes: Limit,
  /** Messages that the client may send in a second; none is said by a server that does not count. */
  messageRate: Schema.optionalWith(Limit, { exact: true }),
  /** Bytes of them. */
  byteRate: Schema.optionalWith(Limit, { exact: true }),
  /** Requests about topics that are looked at in a second; more wait. */
  requestRate: Schema.optionalWith(Limit, { exact: true }),
  /** Requests that the client may have unanswered. */
  requests: Schema.optionalWith(Limit, { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Limits = typeof Limits.Type

/**
 * A message or request of the client was refused; the session goes on.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Refusal = Schema.Struct({
  type: Schema.Literal("error"),
  code: Schema.String,
  reason: Schema.String,
  /** Which `data` message it was. */
  seq: Schema.optionalWith(Sequence, { exact: true }),
  /** Which request about a topic it answers. */
  id: Schema.optionalWith(Sequence, { exact: true }),
  /** Milliseconds after which the same may be asked again. */
  retryAfter: Schema.optionalWith(Millis, { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Refusal = typeof Refusal.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Welcome = Schema.Struct({
  type: Schema.Literal("welcome"),
  session: Id,
  generation: Sequence,
  secret: Id,
  /** The last message of the client that the server has processed. */
  processed: Count,
  resumed: Schema.Boolean,
  reason: Schema.optionalWith(ResetReason, { exact: true }),
  /** Messages that count as processed and were refused, for a client that missed its being told. */
  refused: Schema.optionalWith(Schema.Array(Refusal), { exact: true }),
  heartbeat: Interval,
  deadline: Interval,
  resumeWindow: Millis,
  limits: Limits,
  /** The time for which a publication's key is remembered; absent where there are no topics. */
  keyWindow: Schema.optionalWith(Millis, { exact: true }),
  /** The features that this server knows: see `features`. */
  features: Schema.optionalWith(Features, { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Welcome = typeof Welcome.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Replayed = Schema.Struct({ type: Schema.Literal("replayed") })

/**
 * @since 0.1.0
 * @category both ways
 */
export const Data = Schema.Struct({
  type: Schema.Literal("data"),
  seq: Sequence,
  /** The last message of the other end that the sender has processed. */
  ack: Count,
  /** Asks for the acknowledgement of this message at once. */
  confirm: Schema.optionalWith(Schema.Boolean, { exact: true }),
  body: Schema.Unknown
})

/**
 * @since 0.1.0
 * @category both ways
 */
export type Data = typeof Data.Type

/**
 * @since 0.1.0
 * @category both ways
 */
export const Ack = Schema.Struct({ type: Schema.Literal("ack"), ack: Count })

/**
 * @since 0.1.0
 * @category both ways
 */
export const Ping = Schema.Struct({ type: Schema.Literal("ping"), id: Count })

/**
 * @since 0.1.0
 * @category both ways
 */
export const Pong = Schema.Struct({ type: Schema.Literal("pong"), id: Count })

/**
 * @since 0.1.0
 * @category client to server
 */
export const Bye = Schema.Struct({ type: Schema.Literal("bye") })

/**
 * The connection will be closed; reconnect `retryAfter` milliseconds after it is.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Goaway = Schema.Struct({
  type: Schema.Literal("goaway"),
  retryAfter: Millis,
  reason: Schema.String
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Goaway = typeof Goaway.Type

/**
 * The session ends `expires` milliseconds from now unless the client answers with a fresh `token`.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Authenticate = Schema.Struct({ type: Schema.Literal("authenticate"), expires: Millis })

/**
 * The fresh token that `authenticate` asked for.
 *
 * @since 0.1.0
 * @category client to server
 */
export const Token = Schema.Struct({ type: Schema.Literal("token"), token: Schema.String })

/**
 * @since 0.1.0
 * @category messages
 */
export const ClientMessage = Schema.Union(Hello, Data, Ack, Ping, Pong, Bye, Token, Subscribe, Unsubscribe, Publish)

/**
 * @since 0.1.0
 * @category messages
 */
export type ClientMessage = typeof ClientMessage.Type

/**
 * @since 0.1.0
 * @category messages
 */
export const ServerMessage = Schema.Union(
  Welcome,
  Replayed,
  Data,
  Ack,
  Goaway,
  Refusal,
  Ping,
  Pong,
  Subscribed,
  Unsubscribed,
  Publication,
  Published,
  Invite,
  Authenticate
)

/**
 * @since 0.1.0
 * @category messages
 */
export type ServerMessage = typeof ServerMessage.Type

/**
 * @since 0.1.0
 * @category messages
 */
export type Message = ClientMessage | ServerMessage
