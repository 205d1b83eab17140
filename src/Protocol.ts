/**
 * The messages on the wire, as Schema. `PROTOCOL.md` says what each means;
 * how they become frames is `Codec`'s business.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

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

/** A sequence number or a count of messages: 0 means "nothing yet". */
const Count = Schema.Number.pipe(Schema.int(), Schema.between(0, Number.MAX_SAFE_INTEGER))
const Sequence = Schema.Number.pipe(Schema.int(), Schema.between(1, Number.MAX_SAFE_INTEGER))
/** At most 24.8 days, the longest timer there is. */
const Millis = Schema.Number.pipe(Schema.int(), Schema.between(0, 2 ** 31 - 1))
const Interval = Schema.Number.pipe(Schema.int(), Schema.between(1, 2 ** 31 - 1))
const Id = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128))

/**
 * What a client says to resume a session.
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

/**
 * @since 0.1.0
 * @category client to server
 */
export const Hello = Schema.Struct({
  type: Schema.Literal("hello"),
  token: Schema.optionalWith(Schema.String, { exact: true }),
  heartbeat: Schema.optionalWith(Schema.Literal("message"), { exact: true }),
  resume: Schema.optionalWith(Resume, { exact: true })
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

/** At most 2^30, so that nobody makes a client keep more. */
const Limit = Schema.Number.pipe(Schema.int(), Schema.between(1, 2 ** 30))

/**
 * What a server allows, and a client obeys.
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
  byteRate: Schema.optionalWith(Limit, { exact: true })
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
  id: Schema.optionalWith(Sequence, { exact: true })
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
  /** How long a publication's key is remembered; absent where there are no topics. */
  keyWindow: Schema.optionalWith(Millis, { exact: true })
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
 * A place in a topic's log: after the publication of this offset, in the log
 * of this epoch. The two are one value, never to be kept apart: the same offset
 * in another epoch is another place (centrifuge-go #160). Offset 0 is the
 * beginning, before any publication.
 *
 * @since 0.1.0
 * @category topics
 */
export const Position = Schema.Struct({ epoch: Id, offset: Count })

/**
 * @since 0.1.0
 * @category topics
 */
export type Position = typeof Position.Type

/**
 * What becomes of publications that wait for a slow consumer.
 *
 * - `disconnect`: nothing is skipped; who is too slow is closed with 4413, and recovers from the log.
 * - `dropOldest`: the oldest that wait give way.
 * - `latest`: only the newest waits.
 *
 * @since 0.1.0
 * @category topics
 */
export const Policy = Schema.Literal("disconnect", "dropOldest", "latest")

/**
 * @since 0.1.0
 * @category topics
 */
export type Policy = typeof Policy.Type

/**
 * Why a position could not be recovered from.
 *
 * - `epoch`: it is of another log; the one it was of is lost.
 * - `ahead`: it is beyond the end of the log.
 * - `expired`: what followed it is not kept any more.
 *
 * @since 0.1.0
 * @category topics
 */
export const RecoveryReason = Schema.Literal("epoch", "ahead", "expired")

/**
 * @since 0.1.0
 * @category topics
 */
export type RecoveryReason = typeof RecoveryReason.Type

/**
 * A session that is subscribed to a topic.
 *
 * @since 0.1.0
 * @category topics
 */
export const Member = Schema.Struct({ session: Schema.String, principal: Schema.String })

/**
 * @since 0.1.0
 * @category topics
 */
export type Member = typeof Member.Type

/**
 * @since 0.1.0
 * @category client to server
 */
export const Subscribe = Schema.Struct({
  type: Schema.Literal("subscribe"),
  id: Sequence,
  topic: Schema.String,
  /** Where to go on, or the oldest that is kept; absent: from now on. */
  since: Schema.optionalWith(Schema.Union(Position, Schema.Literal("oldest")), { exact: true })
})

/**
 * @since 0.1.0
 * @category client to server
 */
export type Subscribe = typeof Subscribe.Type

/**
 * @since 0.1.0
 * @category client to server
 */
export const Unsubscribe = Schema.Struct({
  type: Schema.Literal("unsubscribe"),
  id: Sequence,
  topic: Schema.String,
  /** Only stops publications for a while: the session remains a member, and subscribes again. */
  pause: Schema.optionalWith(Schema.Boolean, { exact: true })
})

/**
 * @since 0.1.0
 * @category client to server
 */
export type Unsubscribe = typeof Unsubscribe.Type

/**
 * @since 0.1.0
 * @category client to server
 */
export const Publish = Schema.Struct({
  type: Schema.Literal("publish"),
  id: Sequence,
  topic: Schema.String,
  /** The same key and body again within the key window publish nothing. */
  key: Schema.optionalWith(Id, { exact: true }),
  body: Schema.Unknown
})

/**
 * @since 0.1.0
 * @category client to server
 */
export type Publish = typeof Publish.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Subscribed = Schema.Struct({
  type: Schema.Literal("subscribed"),
  /** The request; absent when the server had to start the subscription over. */
  id: Schema.optionalWith(Sequence, { exact: true }),
  topic: Schema.String,
  /** What follows it is what the client will get. */
  position: Position,
  /** Whether nothing is missing between `since`, if there was one, and `position`. */
  recovered: Schema.Boolean,
  reason: Schema.optionalWith(RecoveryReason, { exact: true }),
  policy: Policy,
  /** Of a presence topic: who is there at `position`. */
  members: Schema.optionalWith(Schema.Array(Member), { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Subscribed = typeof Subscribed.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Unsubscribed = Schema.Struct({
  type: Schema.Literal("unsubscribed"),
  /** The request; absent when the server wished it. */
  id: Schema.optionalWith(Sequence, { exact: true }),
  topic: Schema.String,
  reason: Schema.optionalWith(Schema.String, { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Unsubscribed = typeof Unsubscribed.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Publication = Schema.Struct({
  type: Schema.Literal("publication"),
  topic: Schema.String,
  position: Position,
  body: Schema.Unknown
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Publication = typeof Publication.Type

/**
 * @since 0.1.0
 * @category server to client
 */
export const Published = Schema.Struct({
  type: Schema.Literal("published"),
  id: Sequence,
  position: Position
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Published = typeof Published.Type

/**
 * The server has allowed this session a topic, and asks its client to subscribe.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Invite = Schema.Struct({
  type: Schema.Literal("invite"),
  topic: Schema.String,
  since: Schema.optionalWith(Schema.Union(Position, Schema.Literal("oldest")), { exact: true })
})

/**
 * @since 0.1.0
 * @category server to client
 */
export type Invite = typeof Invite.Type

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
