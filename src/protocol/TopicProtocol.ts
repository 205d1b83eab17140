/**
 * The messages about topics, as Schema; `Protocol` has the rest, and all of
 * these too.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Count, Id, Sequence } from "./fields.js"

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
 * A place in a topic's log, as applications keep it.
 *
 * @since 0.1.0
 * @category topics
 */
export type Position = typeof Position.Type

/**
 * The fate of publications that wait for a slow consumer.
 *
 * - `disconnect`: nothing is skipped; who is too slow is closed with 4413, and recovers from the log.
 * - `dropOldest`: the oldest that wait give way, never the newest.
 * - `latest`: only the newest waits.
 *
 * @since 0.1.0
 * @category topics
 */
export const Policy = Schema.Literal("disconnect", "dropOldest", "latest")

/**
 * One of the three policies.
 *
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
 * One of the three reasons.
 *
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
export const Member = Schema.Struct({
  session: Schema.String,
  principal: Schema.String,
  /** Since when it has had no connection, in milliseconds since the epoch; absent while it has one. */
  away: Schema.optionalWith(Count, { exact: true }),
  /** What it says of itself. */
  data: Schema.optionalWith(Schema.Unknown, { exact: true })
})

/**
 * A member, by the ids of its session and of its principal; the topic's Schema has not seen its data.
 *
 * @since 0.1.0
 * @category topics
 */
export type Member = typeof Member.Type

/**
 * Asks for the publications of a topic; answered with `subscribed`, or with an `error` of the same `id`.
 *
 * @since 0.1.0
 * @category client to server
 */
export const Subscribe = Schema.Struct({
  type: Schema.Literal("subscribe"),
  id: Sequence,
  topic: Schema.String,
  /** Where to go on, or the oldest that is kept; absent: from now on. */
  since: Schema.optionalWith(Schema.Union(Position, Schema.Literal("oldest")), { exact: true }),
  /** What is told of this client as a member of the topic; absent: nothing but its ids. */
  data: Schema.optionalWith(Schema.Unknown, { exact: true })
})

/**
 * A decoded `subscribe`; the topic's Schema has not seen its data.
 *
 * @since 0.1.0
 * @category client to server
 */
export type Subscribe = typeof Subscribe.Type

/**
 * Ends or pauses a subscription; answered with `unsubscribed`, or with an `error` of the same `id`.
 *
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
 * A decoded `unsubscribe`.
 *
 * @since 0.1.0
 * @category client to server
 */
export type Unsubscribe = typeof Unsubscribe.Type

/**
 * Publishes a JSON value to a topic; answered with `published`, or with an `error` of the same `id`.
 *
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
 * A decoded `publish`; the topic's Schema has not seen its body.
 *
 * @since 0.1.0
 * @category client to server
 */
export type Publish = typeof Publish.Type

/**
 * The answer to `subscribe`: where in the topic's log the subscription begins.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Subscribed = Schema.Struct({
  type: Schema.Literal("subscribed"),
  /** The request; absent when the server had to start the subscription over. */
  id: Schema.optionalWith(Sequence, { exact: true }),
  topic: Schema.String,
  /** The client will get the publications that follow it. */
  position: Position,
  /** True when nothing is missing between `since`, if there was one, and `position`. */
  recovered: Schema.Boolean,
  /** Why something is missing; absent where nothing is. */
  reason: Schema.optionalWith(RecoveryReason, { exact: true }),
  policy: Policy,
  /** Of a presence topic: who is there at `position`. */
  members: Schema.optionalWith(Schema.Array(Member), { exact: true })
})

/**
 * A decoded `subscribed`.
 *
 * @since 0.1.0
 * @category server to client
 */
export type Subscribed = typeof Subscribed.Type

/**
 * The answer to `unsubscribe`, or the server's word that it has ended a subscription by itself.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Unsubscribed = Schema.Struct({
  type: Schema.Literal("unsubscribed"),
  /** The request; absent when the server wished it. */
  id: Schema.optionalWith(Sequence, { exact: true }),
  topic: Schema.String,
  /** In words, when the server wished it. */
  reason: Schema.optionalWith(Schema.String, { exact: true })
})

/**
 * A decoded `unsubscribed`.
 *
 * @since 0.1.0
 * @category server to client
 */
export type Unsubscribed = typeof Unsubscribed.Type

/**
 * A publication of a topic that the connection is subscribed to.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Publication = Schema.Struct({
  type: Schema.Literal("publication"),
  topic: Schema.String,
  position: Position,
  /** Absent when it was skipped. */
  body: Schema.optionalWith(Schema.Unknown, { exact: true }),
  /** The body is larger than the client takes; it keeps its place among the publications. */
  skipped: Schema.optionalWith(Schema.Literal("too-large"), { exact: true })
})

/**
 * A decoded `publication`; the topic's Schema has not seen its body.
 *
 * @since 0.1.0
 * @category server to client
 */
export type Publication = typeof Publication.Type

/**
 * The answer to `publish`: the position of the publication, or of the first with the same key.
 *
 * @since 0.1.0
 * @category server to client
 */
export const Published = Schema.Struct({
  type: Schema.Literal("published"),
  id: Sequence,
  position: Position
})

/**
 * A decoded `published`.
 *
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
  /** Where to go on, unless the client has a position of its own. */
  since: Schema.optionalWith(Schema.Union(Position, Schema.Literal("oldest")), { exact: true })
})

/**
 * A decoded `invite`.
 *
 * @since 0.1.0
 * @category server to client
 */
export type Invite = typeof Invite.Type
