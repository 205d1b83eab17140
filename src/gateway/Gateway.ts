/**
 * The server's end: accepts connections, authenticates them, and hosts the
 * sessions that outlive them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Listener } from "../connection/Listener.js"
import type { InvalidOption, ListenFailed } from "../protocol/ConnectionError.js"
import type { Messages } from "../protocol/Messages.js"
import type { SessionStore } from "../session/SessionStore.js"
import type { FailureDeclared, GatewayOptions, ServiceOptions } from "./GatewayOptions.js"
import type { Gateway, Principal } from "./GatewaySession.js"
import { GatewayCore } from "./gatewayCore.js"

export type { FailureDeclared, GatewayOptions, Handlers, Hello, SendFailure, ServiceOptions } from "./GatewayOptions.js"
export type { Gateway, History, Principal, Stats, TopicInfo } from "./GatewaySession.js"

/**
 * Takes everybody for the same principal, `anonymous`: the secret alone then
 * guards a session. For tests and public services.
 *
 * @since 0.1.0
 * @category authentication
 */
export const anonymous = (): Effect.Effect<Principal> => Effect.succeed({ id: "anonymous" })

export {
  /**
   * Allows it to everybody: a topic's `subscribe`, or its `publish`.
   *
   * @since 0.1.0
   * @category topics
   */
  allow,
  /**
   * A rule for the topics of a pattern, for the option `topics`. See `TopicRule`.
   *
   * @since 0.1.0
   * @category topics
   */
  make as topic
} from "./TopicRule.js"

/**
 * Starts a gateway on the Listener. When the scope closes it drains: it stops
 * accepting, tells each client when to come back (`goaway`, spread over
 * `drainSpread`), lets handlers and writes finish, and closes with 1012; all
 * within `drainTimeout`, and then by force. `onClose` and the store get
 * `closeTimeout` at the most.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  ClientMessage,
  ServerMessage,
  P extends Principal,
  Handling extends Effect.Effect<void, unknown, unknown> = Effect.Effect<void>,
  RAuthenticate = never,
  ROpen = never,
  RClose = never,
  RInvalid = never,
  RUpgrade = never,
  RTopics extends ReadonlyArray<unknown> = [],
  RFailure = never
>(
  options: { readonly messages: Messages<ClientMessage, ServerMessage> } & ServiceOptions<
    ClientMessage,
    ServerMessage,
    P,
    Handling,
    RAuthenticate,
    ROpen,
    RClose,
    RInvalid,
    RUpgrade,
    RTopics,
    RFailure
  > &
    FailureDeclared<Handling>
): Effect.Effect<
  Gateway<ServerMessage, P>,
  InvalidOption | ListenFailed,
  | Scope.Scope
  | Listener
  | SessionStore
  | Effect.Effect.Context<Handling>
  | RAuthenticate
  | ROpen
  | RClose
  | RInvalid
  | RUpgrade
  | RTopics[number]
  | RFailure
> =>
  Effect.map(
    // The compiler does not see of a type parameter that it needs its own context.
    GatewayCore.make(
      options as GatewayOptions<
        ClientMessage,
        ServerMessage,
        P,
        | Effect.Effect.Context<Handling>
        | RAuthenticate
        | ROpen
        | RClose
        | RInvalid
        | RUpgrade
        | RTopics[number]
        | RFailure,
        unknown
      >
    ),
    (core) => core.gateway
  )

/**
 * The class of a service that is a gateway, with the messages that it was defined with.
 *
 * @since 0.1.0
 * @category models
 */
export interface TagClass<Self, Id extends string, ClientMessage, ServerMessage, P extends Principal>
  extends Context.TagClass<Self, Id, Gateway<ServerMessage, P>> {
  readonly messages: Messages<ClientMessage, ServerMessage>
}

/**
 * Defines a service of your own that is a gateway: its tag, its messages and their types, and the type of its principals:
 *
 * ```ts
 * class Chat extends Gateway.Tag<Chat, User>()("app/Chat", messages) {}
 * const ChatLive = Gateway.layer(Chat, { authenticate, onMessage })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Tag =
  <Self, P extends Principal = Principal>() =>
  <const Id extends string, ClientMessage, ServerMessage>(
    id: Id,
    messages: Messages<ClientMessage, ServerMessage>
  ): TagClass<Self, Id, ClientMessage, ServerMessage, P> =>
    Object.assign(Context.Tag(id)<Self, Gateway<ServerMessage, P>>(), { messages })

/**
 * A gateway as the Layer of a service that `Tag` has defined.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <
  Self,
  ClientMessage,
  ServerMessage,
  P extends Principal,
  Handling extends Effect.Effect<void, unknown, unknown> = Effect.Effect<void>,
  RAuthenticate = never,
  ROpen = never,
  RClose = never,
  RInvalid = never,
  RUpgrade = never,
  RTopics extends ReadonlyArray<unknown> = [],
  RFailure = never
>(
  tag: TagClass<Self, string, ClientMessage, ServerMessage, P>,
  options: ServiceOptions<
    NoInfer<ClientMessage>,
    NoInfer<ServerMessage>,
    NoInfer<P>,
    Handling,
    RAuthenticate,
    ROpen,
    RClose,
    RInvalid,
    RUpgrade,
    RTopics,
    RFailure
  > &
    FailureDeclared<Handling>
): Layer.Layer<
  Self,
  InvalidOption | ListenFailed,
  | Listener
  | SessionStore
  | Exclude<
      | Effect.Effect.Context<Handling>
      | RAuthenticate
      | ROpen
      | RClose
      | RInvalid
      | RUpgrade
      | RTopics[number]
      | RFailure,
      Scope.Scope
    >
> => Layer.scoped(tag, make({ ...options, messages: tag.messages }))
