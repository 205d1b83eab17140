/**
 * The interfaces of a gateway and of its sessions.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type {
  BrokerUnavailable,
  KeyReused,
  MessageInvalid,
  MessageTooLarge,
  NotReady,
  NotSent,
  OutcomeUnknown,
  PositionLost,
  SessionClosed,
  SessionNotFound,
  StoreUnavailable,
  TopicRefused
} from "../protocol/ConnectionError.js"
import type { Position, ResetReason } from "../protocol/Protocol.js"
import type { NodeInfo, Target } from "../session/SessionStore.js"
import type { PublishOptions } from "../topic/Broker.js"
import type { Member } from "../topic/Presence.js"
import type { Named, Ref } from "../topic/Topic.js"
import type { Principal } from "./principal.js"
import type { SessionInfo } from "./session/sessionInfo.js"

export type { Principal } from "./principal.js"
export type { SessionInfo } from "./session/sessionInfo.js"

/**
 * Why a session ended.
 *
 * - `Bye`: the client ended it.
 * - `Expired`: it was not resumed within its window.
 * - `Ended`: the server ended it, by `session.end`, by `Outcome.end`, or by `disconnect` of this gateway or another. Its client is
 *   told 4410 where that is `final`, and else 4411.
 * - `NotAuthenticated`: its fresh token was refused, or had expired already; the client is told 4401.
 * - `NotAllowed`: its authentication was renewed to a refusal, or to another principal; the client is told 4403.
 * - `HandlerFailed`: a handler died, or was interrupted by something of its own; the client is told 4411, and begins a new session.
 * - `Overflow`: `offer` found its buffer full; the client is told 4413, and on its return `overflow`.
 * - `Incomplete`: its client came back without what was needed to go on.
 * - `MovedAway`: another gateway has resumed it.
 * - `Lost`: the store knows this session no more: it lost its data, or the session was ended elsewhere. The client is
 *   closed with 1011, and told more when it comes back.
 * - `Shutdown`: this gateway shuts down; another one on the same store may resume it.
 *
 * @since 0.1.0
 * @category models
 */
export type SessionEnd =
  | { readonly _tag: "Bye" }
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Ended"; readonly reason: string; readonly final: boolean }
  | { readonly _tag: "NotAuthenticated"; readonly reason: string }
  | { readonly _tag: "NotAllowed"; readonly reason: string }
  | { readonly _tag: "HandlerFailed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "Overflow" }
  | { readonly _tag: "Incomplete" }
  | { readonly _tag: "MovedAway" }
  | { readonly _tag: "Lost" }
  | { readonly _tag: "Shutdown" }

/**
 * A session, as its handlers and the registry see it. It outlives its
 * connections: everything here works while the client is away.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session<ServerMessage, P extends Principal = Principal> {
  readonly id: string
  /** As last authenticated. */
  readonly principal: P
  /**
   * Accepts a message for delivery, in order and once while the session lives; suspends while the replay buffer is full. One
   * larger than the client takes, or than `maxMessage`, fails with `MessageTooLarge`; so does one that has waited for room
   * until the client came back with less. Interrupted while it waits for room, it is not accepted; what was accepted stays.
   * It is encoded when the effect is run.
   */
  readonly send: (message: ServerMessage) => Effect.Effect<void, SessionClosed | MessageInvalid | MessageTooLarge>
  /**
   * Sends, and waits until the client has processed the message, or fails with its fate. A message that a client skips,
   * because it does not fit the client's Schema, counts as processed. Interrupted while it waits for room, it is not accepted;
   * a message that was accepted is in the store, and cannot be taken back: only the wait for it ends.
   */
  readonly deliver: (
    message: ServerMessage
  ) => Effect.Effect<void, SessionClosed | MessageInvalid | MessageTooLarge | NotSent | OutcomeUnknown>
  /**
   * Sends without ever waiting for room: a session whose buffer is full ends
   * with `Overflow`. For broadcasts, where one absent client must not hold up
   * the others. What was accepted stays, whoever is interrupted then.
   */
  readonly offer: (message: ServerMessage) => Effect.Effect<void, SessionClosed | MessageInvalid | MessageTooLarge>
  /**
   * Subscribes the session to a topic, whatever its client may by itself: the client finds it in its `Invited` events, and
   * reads it with its own `subscribe`. From now on, unless `since` says from where.
   */
  readonly subscribe: (
    topic: Named,
    options?: { readonly since?: Position | "oldest" | undefined }
  ) => Effect.Effect<void, SessionClosed | TopicRefused | BrokerUnavailable>
  /**
   * Ends a subscription, whoever wished it: the client's stream fails with `TopicRefused` and this reason. A client that is
   * away, or does not hear of it, asks again when it comes back: have the topic's rule refuse it, too.
   */
  readonly unsubscribe: (topic: Named, reason?: string) => Effect.Effect<void>
  /**
   * Ends the session: its client is told 4410 with this reason, now or when it comes back, and has ended with it. With `final: false` it is
   * told 4411, and begins a new session.
   */
  readonly end: (reason: string, options?: { readonly final?: boolean | undefined }) => Effect.Effect<void>
  readonly info: Effect.Effect<SessionInfo>
  readonly gateway: Gateway<ServerMessage, P>
}

/**
 * Figures of a gateway: what there is now, and what it has counted since `since`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly connections: number
  /** Sessions that live here, connected or within their resume window. */
  readonly sessions: number
  /** Milliseconds since the epoch. */
  readonly since: number
  /**
   * The idle timeout of a proxy that lies between this gateway and its clients, in milliseconds, as soon as ten of the latest
   * twelve connections that were lost were so after the same silence: `heartbeatInterval` is to be below it.
   */
  readonly idleTimeout: number | undefined
  /** WebSocket messages from clients. */
  readonly messagesIn: number
  /** WebSocket messages written to clients. */
  readonly messagesOut: number
  /** Pings that were unanswered when the next one was due. */
  readonly heartbeatsMissed: number
  readonly begun: number
  /** Times that a connection was given the session that it asked for. */
  readonly resumed: number
  /** Times that a session began because the one that was asked for could not be resumed, by reason. */
  readonly reset: Readonly<Record<ResetReason, number>>
  readonly ended: Readonly<Record<SessionEnd["_tag"], number>>
}

/**
 * A topic that sessions of a gateway follow.
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicInfo {
  readonly name: string
  /** Subscriptions of connected sessions here. */
  readonly subscribers: number
  /** The end of its log, as far as this gateway has heard; undefined until it has. */
  readonly position: Position | undefined
  /** How much this gateway has heard since a session here began to follow the topic. */
  readonly publications: number
}

/**
 * Publications of a topic, in order; `at` is milliseconds since the epoch,
 * `end` the end of the log.
 *
 * @since 0.1.0
 * @category models
 */
export interface History<A> {
  readonly publications: ReadonlyArray<{ readonly position: Position; readonly at: number; readonly value: A }>
  readonly end: Position
}

/**
 * A gateway that runs: its sessions, its topics, and word of the other gateways on its store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gateway<ServerMessage, P extends Principal = Principal> {
  /** The URL that clients dial. */
  readonly address: string
  /** Its id on the store, new with each start: the one of it in `nodes`. */
  readonly node: string
  readonly stats: Effect.Effect<Stats>
  /** The topics that sessions here follow, by name. */
  readonly topics: Effect.Effect<ReadonlyArray<TopicInfo>>
  /** Those that live here, connected or within their resume window. */
  readonly sessions: Effect.Effect<ReadonlyArray<Session<ServerMessage, P>>>
  /** A session that lives here. */
  readonly session: (id: string) => Effect.Effect<Session<ServerMessage, P>, SessionNotFound>
  /** Publishes to a topic, whatever its rule says of clients. A topic needs a rule all the same. Interrupted, it may have published: the broker was asked. */
  readonly publish: <A, D>(
    topic: Ref<A, D>,
    value: NoInfer<A>,
    options?: Pick<PublishOptions, "key">
  ) => Effect.Effect<Position, TopicRefused | MessageInvalid | MessageTooLarge | KeyReused | BrokerUnavailable>
  /** The publications after `since`, or from the oldest that is kept: at most `limit` (default 100). Complete, or `PositionLost`. */
  readonly history: <A, D>(
    topic: Ref<A, D>,
    options?: { readonly since?: Position | undefined; readonly limit?: number | undefined }
  ) => Effect.Effect<History<A>, TopicRefused | PositionLost | MessageInvalid | BrokerUnavailable>
  /** The sessions that are subscribed to a topic with `presence`, those within their resume window included. */
  readonly members: <A, D>(
    topic: Ref<A, D>
  ) => Effect.Effect<ReadonlyArray<Member<D>>, TopicRefused | BrokerUnavailable>
  /**
   * Subscribes a session, or all of a principal, to a topic, as `session.subscribe` does, wherever they live: the order is left in their
   * mailboxes, as what `send` sends is, and done by the gateways that they live on, or come to. Tells for how many. From now on, unless
   * `since` says from where. A session that cannot be subscribed to more topics is left out, and logged.
   */
  readonly invite: (
    topic: Named,
    target: Target,
    options?: { readonly since?: Position | "oldest" | undefined }
  ) => Effect.Effect<number, TopicRefused | BrokerUnavailable | StoreUnavailable>
  /** Ends the subscriptions of a session, or of all of a principal, to a topic, as `session.unsubscribe` does, wherever they live. Tells for how many it was asked. */
  readonly unsubscribe: (
    topic: Named,
    target: Target,
    reason?: string
  ) => Effect.Effect<number, TopicRefused | StoreUnavailable>
  /**
   * Sends to a session by its id, wherever it lives: in order and once, as `session.send` does. One that does not live here
   * has the message left in its mailbox in the store, from which the gateway that it lives on, or comes to, takes it;
   * `send` suspends while that is full (`replayMessages`, `replayBytes`). What is larger than its client takes is then known
   * only to that gateway, which logs and drops it. When the store has failed for `writeDeadline`, it
   * fails with `StoreUnavailable`: whether the message was left is then not known.
   */
  readonly send: (
    id: string,
    message: ServerMessage
  ) => Effect.Effect<void, SessionNotFound | SessionClosed | MessageInvalid | MessageTooLarge | StoreUnavailable>
  /**
   * Ends a session, or all of a principal: those that live here at once, those that only the store knows, and those
   * whose hello is being looked at. Clients are told 4410 with this reason, now or when they come back. Tells how many
   * sessions were ended.
   *
   * A session that lives on another gateway ends at once where the store can tell that gateway, and at the latest when it
   * next has the store note something of the session. When the store fails, those that live here have ended all the same,
   * and the rest has not: call again.
   */
  readonly disconnect: (target: Target, reason?: string) => Effect.Effect<number, StoreUnavailable>
  /** The gateways on this store, this one included, as each last said of itself: within the store's `lease`. */
  readonly nodes: Effect.Effect<ReadonlyArray<NodeInfo>, StoreUnavailable>
  /** Succeeds when clients may be sent here: the gateway does not drain, its store and the broker of its topics can be used. */
  readonly ready: Effect.Effect<void, NotReady>
}
