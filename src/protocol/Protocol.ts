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
 * The name of a subprotocol, as the upgrade negotiates it (RFC 6455 §1.9).
 *
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
 * - `parts`: a large `data` message travels in parts, and each end says on a resume what it has received, beside what it has
 *   processed.
 * - `chunks`: a large `publish` or `publication` travels in chunks, and each end says on a resume what it has of one that is not whole.
 * - `ended`: the client knows the reason `ended`; without it, it is told `unknown`.
 *
 * @since 0.1.0
 * @category features
 */
export const features = ["request-limits", "client-limits", "parts", "chunks", "ended"] as const

/**
 * The name of a feature that this version knows.
 *
 * @since 0.1.0
 * @category features
 */
export type Feature = (typeof features)[number]

/** At most 64 names of at most 64 characters. */
const Features = Schema.Array(Schema.String.pipe(Schema.maxLength(64))).pipe(Schema.maxItems(64))

/**
 * What an end has received: all messages up to `seq`, and so many bytes of the next one.
 *
 * @since 0.1.0
 * @category messages
 */
export const Reception = Schema.Struct({ seq: Count, bytes: Count })

/** A decoded reception. @since 0.1.0 @category messages */
export type Reception = typeof Reception.Type

/** At most 512 characters: a topic, an epoch and an offset have room in it. */
const ChunkName = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(512))

/**
 * What an end has of a message that comes in chunks and is not whole: so many bytes of the one of this name and size.
 *
 * @since 0.1.0
 * @category messages
 */
export const Unfinished = Schema.Struct({ name: ChunkName, of: Sequence, bytes: Sequence })

/** A decoded beginning of a message. @since 0.1.0 @category messages */
export type Unfinished = typeof Unfinished.Type

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
  /** What this client has of the server's messages, and need not be sent again; without it, what it has processed. */
  received: Schema.optionalWith(Reception, { exact: true }),
  /** What it has of a publication that is not whole. */
  unfinished: Schema.optionalWith(Unfinished, { exact: true }),
  /** Larger than in any earlier hello that asked for this session: an older one that arrives late is refused. */
  attempt: Schema.optionalWith(Sequence, { exact: true })
})

/** The `resume` of a decoded hello. @since 0.1.0 @category messages */
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

/** The `limits` of a decoded hello. @since 0.1.0 @category client to server */
export type ClientLimits = typeof ClientLimits.Type

/**
 * The first message of each connection: who the client is, and the session that it wants to resume, if any.
 *
 * @since 0.1.0
 * @category client to server
 */
export const Hello = Schema.Struct({
  type: Schema.Literal("hello"),
  /** Whatever the application authenticates by. */
  token: Schema.optionalWith(Schema.String, { exact: true }),
  /** This client cannot send or see WebSocket pings: both ends ping by message then. */
  heartbeat: Schema.optionalWith(Schema.Literal("message"), { exact: true }),
  resume: Schema.optionalWith(Resume, { exact: true }),
  /** The features that this client knows: see `features`. */
  features: Schema.optionalWith(Features, { exact: true }),
  limits: Schema.optionalWith(ClientLimits, { exact: true })
})

/** A decoded hello. @since 0.1.0 @category client to server */
export type Hello = typeof Hello.Type

/**
 * Why a session was not resumed.
 *
 * @since 0.1.0
 * @category server to client
 */
export const ResetReason = Schema.Literal("unknown", "expired", "overflow", "secret", "incomplete", "ended")

/** One of these reasons; `PROTOCOL.md` §4 says what each means. @since 0.1.0 @category server to client */
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
  /** Bytes of the largest part of a message that travels in parts. */
  part: Schema.optionalWith(Limit, { exact: true }),
  /** Messages that the client may send in a second; none is said by a server that does not count. */
  messageRate: Schema.optionalWith(Limit, { exact: true }),
  /** Bytes of them. */
  byteRate: Schema.optionalWith(Limit, { exact: true }),
  /** Requests about topics that are looked at in a second; more wait. */
  requestRate: Schema.optionalWith(Limit, { exact: true }),
  /** Requests that the client may have unanswered. */
  requests: Schema.optionalWith(Limit, { exact: true })
})

/** The `limits` of a decoded welcome. @since 0.1.0 @category server to client */
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

/** A decoded refusal. @since 0.1.0 @category server to client */
export type Refusal = typeof Refusal.Type

/**
 * The answer to a hello: the client's session, its next secret, and the server's terms. Times are milliseconds.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Welcome = Schema.Struct({
  type: Schema.Literal("welcome"),
  session: Id,
  /** Of this connection: larger than that of any before it in this session. */
  generation: Sequence,
  /** Presents the session next time; the one before stays valid until a message has come on this connection. */
  secret: Id,
  /** The last message of the client that the server has processed. */
  processed: Count,
  /** What the server has of the client's messages, for one that knows `parts`. */
  received: Schema.optionalWith(Reception, { exact: true }),
  /** What the server has of the client's `publish` that is not whole, for one that knows `chunks`. */
  unfinished: Schema.optionalWith(Unfinished, { exact: true }),
  resumed: Schema.Boolean,
  /** Why the session that was asked for does not go on; absent where it does, or none was asked for. */
  reason: Schema.optionalWith(ResetReason, { exact: true }),
  /** Messages that count as processed and were refused, for a client that missed its being told. */
  refused: Schema.optionalWith(Schema.Array(Refusal), { exact: true }),
  /** The interval of the server's pings, and the longest of the client's. */
  heartbeat: Interval,
  /** Silence after which the server takes the client for dead. */
  deadline: Interval,
  /** How long the session waits for its client once a connection is gone. */
  resumeWindow: Millis,
  limits: Limits,
  /** The time over which clients spread that lose this server together: some part of it is added to the first delay. */
  spread: Schema.optionalWith(Millis, { exact: true }),
  /** The time for which a publication's key is remembered; absent where there are no topics. */
  keyWindow: Schema.optionalWith(Millis, { exact: true }),
  /** The features that this server knows: see `features`. */
  features: Schema.optionalWith(Features, { exact: true })
})

/** A decoded welcome. @since 0.1.0 @category server to client */
export type Welcome = typeof Welcome.Type

/**
 * The end of the replay: all that a resumed client had missed when it came back has been sent.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Replayed = Schema.Struct({ type: Schema.Literal("replayed") })

/**
 * A message of the application; each direction of a session numbers its own from 1.
 *
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

/** A decoded `data` message; the application's Schema has not seen its body. @since 0.1.0 @category both ways */
export type Data = typeof Data.Type

/**
 * A piece of the body of a `data` message: the bytes from `at` on, of `of` in all. In JSON it follows the object and a line feed, as
 * text; in MessagePack it is bytes.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Part = Schema.Struct({
  type: Schema.Literal("part"),
  seq: Sequence,
  ack: Count,
  confirm: Schema.optionalWith(Schema.Boolean, { exact: true }),
  at: Count,
  of: Sequence,
  piece: Schema.Union(Schema.String, Schema.Uint8ArrayFromSelf)
})

/** A decoded part. @since 0.1.0 @category both ways */
export type Part = typeof Part.Type

/** A part, but for its piece. @since 0.1.0 @category both ways */
export type PartHead = Omit<Part, "type" | "piece">

/**
 * The answer to a part: what its receiver has now.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Received = Schema.Struct({ type: Schema.Literal("received"), ...Reception.fields })

/** A decoded answer to a part. @since 0.1.0 @category both ways */
export type Received = typeof Received.Type

/**
 * A piece of a message that has no number, a `publish` or a `publication`: the bytes of its frame from `at` on, of `of` in all. The piece
 * is as in a `part`.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Chunk = Schema.Struct({
  type: Schema.Literal("chunk"),
  /** The message that it is of: the same on every connection. */
  name: ChunkName,
  at: Count,
  of: Sequence,
  piece: Schema.Union(Schema.String, Schema.Uint8ArrayFromSelf)
})

/** A decoded chunk. @since 0.1.0 @category both ways */
export type Chunk = typeof Chunk.Type

/** A chunk, but for its piece. @since 0.1.0 @category both ways */
export type ChunkHead = Omit<Chunk, "type" | "piece">

/**
 * The answer to a chunk: the bytes of its message that the receiver has.
 *
 * @since 0.1.0
 * @category both ways
 */
export const ChunkReceived = Schema.Struct({
  type: Schema.Literal("chunk-received"),
  name: ChunkName,
  bytes: Sequence
})

/** A decoded answer to a chunk. @since 0.1.0 @category both ways */
export type ChunkReceived = typeof ChunkReceived.Type

/**
 * A cumulative acknowledgement by itself: everything up to `ack` is processed, and 0 means nothing yet.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Ack = Schema.Struct({ type: Schema.Literal("ack"), ack: Count })

/**
 * A heartbeat as a message, for a client that cannot send or see the pings of RFC 6455 §5.5.2.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Ping = Schema.Struct({ type: Schema.Literal("ping"), id: Count })

/**
 * The answer to a `ping` message, with its `id`.
 *
 * @since 0.1.0
 * @category both ways
 */
export const Pong = Schema.Struct({ type: Schema.Literal("pong"), id: Count })

/**
 * The client's wish to end its session: the server processes what came before it, and closes with 1000.
 *
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

/** A decoded goaway. @since 0.1.0 @category server to client */
export type Goaway = typeof Goaway.Type

/**
 * The connection ends with 4401 `expires` milliseconds from now unless the client answers with a fresh `token`.
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
 * Any message that a client sends.
 *
 * @since 0.1.0
 * @category messages
 */
export const ClientMessage = Schema.Union(
  Hello,
  Data,
  Part,
  Received,
  Chunk,
  ChunkReceived,
  Ack,
  Ping,
  Pong,
  Bye,
  Token,
  Subscribe,
  Unsubscribe,
  Publish
)

/** A decoded message of a client. @since 0.1.0 @category messages */
export type ClientMessage = typeof ClientMessage.Type

/**
 * Any message that a server sends.
 *
 * @since 0.1.0
 * @category messages
 */
export const ServerMessage = Schema.Union(
  Welcome,
  Replayed,
  Data,
  Part,
  Received,
  Chunk,
  ChunkReceived,
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

/** A decoded message of a server. @since 0.1.0 @category messages */
export type ServerMessage = typeof ServerMessage.Type

/**
 * A decoded message of either end.
 *
 * @since 0.1.0
 * @category messages
 */
export type Message = ClientMessage | ServerMessage

/**
 * Any message but those that carry something in an encoded form.
 *
 * @since 0.1.0
 * @category messages
 */
export type Control = Exclude<Message, Data | Part | Chunk>
