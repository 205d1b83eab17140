/**
 * The client's end: one scoped value that keeps a session through any number
 * of connections.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { monotonic } from "../connection/clocks.js"
import { Dialer } from "../connection/Dialer.js"
import { DialTerms } from "../connection/keep/dialing.js"
import * as Options from "../connection/Options.js"
import * as Reconnect from "../connection/Reconnect.js"
import * as Codec from "../protocol/Codec.js"
import type { MessageRefused, NotSent, OutcomeUnknown, PositionLost } from "../protocol/ConnectionError.js"
import {
  type InvalidOption,
  type MessageInvalid,
  MessageTooLarge,
  SessionClosed,
  type TopicRefused
} from "../protocol/ConnectionError.js"
import type { InvalidDecision, Messages, Typed } from "../protocol/Messages.js"
import * as messageCodec from "../protocol/messageCodec.js"
import type { Position } from "../protocol/Protocol.js"
import * as publicationCodec from "../protocol/publicationCodec.js"
import { Credentials } from "../session/Credentials.js"
import type { PresenceEvent } from "../topic/Presence.js"
import type { Ref } from "../topic/Topic.js"
import type { ServiceOptions } from "./ClientOptions.js"
import type { ClientEvent, ClientStats, EndReason, Status } from "./ClientStatus.js"
import { describeEnd } from "./ClientStatus.js"
import * as clientLoop from "./clientLoop.js"
import * as consume from "./consume.js"
import * as consumeStream from "./consumeStream.js"
import * as memberData from "./memberData.js"
import type { LiveSubscription, Publication, SubscribeOptions, TooLarge } from "./subscriptionEvents.js"
import * as subscriptionStream from "./subscriptionStream.js"

export type { ClientOptions, ServiceOptions } from "./ClientOptions.js"
export {
  hasValue,
  type LiveSubscription,
  type Publication,
  type SubscribeOptions,
  type TooLarge
} from "./subscriptionEvents.js"

/**
 * The client of one session: what it is doing, and what can be done with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client<ClientMessage, ServerMessage> {
  readonly status: Effect.Effect<Status>
  /** The current status, then every change, up to and with `Ended`. A watcher that falls 64 behind misses the oldest. */
  readonly changes: Stream.Stream<Status>
  /**
   * Waits until the client is Ready, through any number of attempts, each of which is bounded (`tokenTimeout`,
   * `connectTimeout`, `helloTimeout`); fails when it has ended, of which `ended` gives the typed reason. Bound the wait with
   * `Effect.timeout`.
   */
  readonly ready: Effect.Effect<Extract<Status, { _tag: "Ready" }>, SessionClosed>
  /** Waits for the end of the client. */
  readonly ended: Effect.Effect<EndReason>
  /**
   * The messages of the server, once and in order, through all reconnects. A
   * message counts as processed, and is acknowledged, when the next one is
   * pulled or the consumer ends well; what a failed or interrupted consumer had
   * in hand goes to the next one. Completes when the client has ended. For one
   * consumer at a time.
   */
  readonly messages: Stream.Stream<ServerMessage>
  /**
   * Runs a handler over `messages`, one after the other, until the client has
   * ended; a message is acknowledged when the handler has succeeded with it. The
   * same as `Stream.runForEach(messages, handle)`, at about half of what a
   * Stream costs for each message.
   */
  readonly runForEach: <E, R>(
    handle: (message: ServerMessage) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, E, R>
  /** Lost sessions, refused messages and the like, from now on. A watcher that falls 64 behind misses the oldest. */
  readonly events: Stream.Stream<ClientEvent>
  /**
   * Accepts a message for delivery: in order, and once while the session lives.
   * Suspends while the replay buffer is full: interrupted then, it is not accepted. What was accepted stays. Works while
   * disconnected.
   */
  readonly send: (message: ClientMessage) => Effect.Effect<void, SessionClosed | MessageInvalid | MessageTooLarge>
  /**
   * Sends, and waits until the server's handler has processed the message, or fails with the message's fate. Interrupted, as by
   * a timeout, before the message was ever written to a connection, it takes the message back: it is not sent later. One that
   * was written, at least once, may be processed all the same: its outcome is unknown.
   */
  readonly deliver: (
    message: ClientMessage
  ) => Effect.Effect<void, SessionClosed | MessageInvalid | MessageTooLarge | MessageRefused | NotSent | OutcomeUnknown>
  /**
   * The publications of a topic, through all reconnects, each once and in order: from `since` on (`"oldest"`: from the oldest
   * that is kept), or from now. The position of each is a `since` to go on from later. With what cannot be recovered the stream fails with `PositionLost`, and the session
   * stays a member of the topic, for the stream that goes on from another position; where the topic's policy lets publications
   * be skipped, `skipped` says how many were before this one. One that is larger than this client's `maxMessage` comes as
   * `TooLarge`, in its place and without its value. It is subscribed to while the stream runs, by one stream of this client at a
   * time, and completes when the client has ended.
   */
  readonly subscribe: <A, D>(
    topic: Ref<A, D>,
    options?: SubscribeOptions<NoInfer<D>>
  ) => Stream.Stream<Publication<A> | TooLarge, TopicRefused | PositionLost>
  /**
   * The same, as a value of a scope: done when the server has subscribed this client, so that nothing which is published from then on is
   * missed, and `position` is where it begins. Fails with `SessionClosed` when the client has ended. The topic is subscribed to
   * until the scope closes.
   */
  readonly subscribeScoped: <A, D>(
    topic: Ref<A, D>,
    options?: SubscribeOptions<NoInfer<D>>
  ) => Effect.Effect<LiveSubscription<A>, TopicRefused | PositionLost | SessionClosed, Scope.Scope>
  /**
   * Publishes, and waits for the position that the server answers with. What a broken connection left unanswered is published
   * again under the same key, so that it is published once. Interrupted, it is not written any more; what was written already may
   * be published. Give a `key` of your own to publish again after a restart.
   */
  readonly publish: <A, D>(
    topic: Ref<A, D>,
    value: NoInfer<A>,
    options?: { readonly key?: string | undefined }
  ) => Effect.Effect<Position, MessageInvalid | MessageTooLarge | TopicRefused | NotSent | OutcomeUnknown>
  /**
   * The members of a topic: first `Members`, then who joins and leaves, goes away and comes back, or says something else of
   * itself; `Members` again where that could not be followed. `Presence.roster` makes lists of it.
   */
  readonly presence: <A, D>(topic: Ref<A, D>) => Stream.Stream<PresenceEvent<D>, TopicRefused>
  /**
   * Says something else of this client as a member of a topic that it is subscribed to, through all reconnects, and waits until that
   * is told. Interrupted, it may be told all the same.
   */
  readonly updatePresence: <A, D>(
    topic: Ref<A, D>,
    data: NoInfer<D>
  ) => Effect.Effect<void, MessageInvalid | MessageTooLarge | TopicRefused | NotSent | OutcomeUnknown>
  /**
   * The names of the topics that the server has invited this client to, and that are subscribed to for it whether it reads them or
   * not; `events` tells of each one more. A pattern's `match` gives the parameters of one, with which `at` gives the topic to read.
   */
  readonly invitations: Effect.Effect<ReadonlyArray<string>>
  readonly stats: Effect.Effect<ClientStats>
  /**
   * Begins an attempt now: instead of waiting for the delay to pass, or in place of an attempt that has not come to Ready.
   * Nothing happens when the client is Ready, or has ended.
   */
  readonly reconnect: Effect.Effect<void>
  /**
   * When connected, sends what was accepted, says bye, and waits until the server has processed it, all within
   * `closeTimeout`; then ends. When not connected, ends at once: bound a wait for `ready` before if that matters.
   */
  readonly close: Effect.Effect<void>
}

/**
 * Starts a client. When the scope closes it says bye, as `close` does, unless a `SessionKeeper` keeps the session: then it leaves
 * that to the next client. It connects at once and goes on until the scope closes,
 * `close` is called, or the server's answer is final. Never fails for want of a
 * connection: `status` and `ready` tell of it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  ClientMessage,
  ServerMessage,
  RUrl = never,
  RToken = never,
  RReconnect = never,
  RInvalid = never,
  RHeaders = never
>(
  options: { readonly messages: Messages<ClientMessage, ServerMessage> } & ServiceOptions<
    RUrl,
    RToken,
    RReconnect,
    RInvalid,
    RHeaders
  >
): Effect.Effect<
  Client<ClientMessage, ServerMessage>,
  InvalidOption,
  Scope.Scope | Dialer | RUrl | RToken | RReconnect | RInvalid | RHeaders
> =>
  Effect.gen(function* () {
    const resolved = yield* Options.resolve(options)
    const context = yield* Effect.context<RUrl | RToken | RReconnect | RInvalid | RHeaders>()
    const dialer = yield* Dialer
    const clock = yield* Effect.clock
    const { codec = Codec.json } = options
    const loop = yield* clientLoop.make({
      dialer,
      codec,
      options: resolved,
      backoff: yield* Reconnect.backoff(options.reconnect ?? Reconnect.exponential()),
      terms: yield* DialTerms.make(options, context, resolved.tokenTimeout),
      verdict: options.verdict,
      context,
      now: () => monotonic(clock)
    })
    const { driver, events, status, topics } = loop
    const { id: newKey } = yield* Credentials
    const encode = messageCodec.encoder(options.messages.client)
    const decode = messageCodec.decoder(options.messages.server)
    const onInvalid = options.onInvalid ?? (() => Effect.succeed<InvalidDecision>("Continue"))
    const invalid = (error: MessageInvalid) =>
      Effect.tap(Effect.provide(onInvalid(error), context), (decision) => loop.invalid(error, decision))
    const toPublish = <A>(schema: Typed<A>, value: A) =>
      Effect.flatMap(publicationCodec.encoder(schema)(value), (text) => {
        const limit = driver.flow.maxMessage
        const size = publicationCodec.size(text, limit)
        return size > limit ? new MessageTooLarge({ size, limit }) : Effect.succeed({ body: JSON.parse(text), size })
      })

    return {
      status: status.get,
      changes: status.changes,
      ready: Effect.mapError(loop.ready, (reason) => new SessionClosed({ reason: describeEnd(reason) })),
      ended: loop.ended,
      messages: consumeStream.make(driver, decode, invalid),
      runForEach: consume.make(driver, decode, invalid),
      events: events.changes,
      send: (message) => driver.outbox.sendMade(() => encode(message, codec)),
      deliver: (message) => Effect.flatMap(encode(message, codec), (payload) => driver.outbox.deliver(payload)),
      subscribe: (topic, options) => subscriptionStream.publications(topics, topic, options, invalid),
      subscribeScoped: (topic, options) => subscriptionStream.live(topics, topic, options, invalid),
      publish: ({ name, schema }, value, options) =>
        Effect.gen(function* () {
          const { body, size } = yield* toPublish(schema, value)
          return yield* topics.publications.publish(name, options?.key ?? (yield* newKey), body, size)
        }),
      presence: (topic) => subscriptionStream.presence(topics, topic),
      updatePresence: ({ name, presence }, data) =>
        Effect.gen(function* () {
          if (presence === undefined) return yield* memberData.saysNothing(name)
          const { body, size } = yield* toPublish(presence, data)
          yield* memberData.update(topics, name, body, size)
        }),
      invitations: Effect.sync(() => topics.invitations),
      stats: loop.stats,
      reconnect: loop.wake,
      close: loop.close
    }
  })

/**
 * The class of a service that is a client, with the messages that it was defined with.
 *
 * @since 0.1.0
 * @category models
 */
export interface TagClass<Self, Id extends string, ClientMessage, ServerMessage>
  extends Context.TagClass<Self, Id, Client<ClientMessage, ServerMessage>> {
  readonly messages: Messages<ClientMessage, ServerMessage>
}

/**
 * Defines a service of your own that is a client: its tag, its messages and their types:
 *
 * ```ts
 * class Chat extends Client.Tag<Chat>()("app/Chat", messages) {}
 * const ChatLive = Client.layer(Chat, { url: "ws://localhost:8080" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Tag =
  <Self>() =>
  <const Id extends string, ClientMessage, ServerMessage>(
    id: Id,
    messages: Messages<ClientMessage, ServerMessage>
  ): TagClass<Self, Id, ClientMessage, ServerMessage> =>
    Object.assign(Context.Tag(id)<Self, Client<ClientMessage, ServerMessage>>(), { messages })

/**
 * A client as the Layer of a service that `Tag` has defined.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <
  Self,
  ClientMessage,
  ServerMessage,
  RUrl = never,
  RToken = never,
  RReconnect = never,
  RInvalid = never,
  RHeaders = never
>(
  tag: TagClass<Self, string, ClientMessage, ServerMessage>,
  options: ServiceOptions<RUrl, RToken, RReconnect, RInvalid, RHeaders>
): Layer.Layer<Self, InvalidOption, Dialer | Exclude<RUrl | RToken | RReconnect | RInvalid | RHeaders, Scope.Scope>> =>
  Layer.scoped(tag, make({ ...options, messages: tag.messages }))
