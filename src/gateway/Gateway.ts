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
import type { Gateway, Principal, ServiceOptions } from "./GatewaySession.js"
import { GatewayCore } from "./gatewayCore.js"

export type {
  Gateway,
  GatewayOptions,
  Handlers,
  Hello,
  History,
  Principal,
  ServiceOptions,
  Stats,
  TopicInfo
} from "./GatewaySession.js"

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
  RMessage = never,
  RAuthenticate = never,
  ROpen = never,
  RClose = never,
  RInvalid = never,
  RUpgrade = never,
  RTopics = never
>(
  options: { readonly messages: Messages<ClientMessage, ServerMessage> } & ServiceOptions<
    ClientMessage,
    ServerMessage,
    P,
    RMessage,
    RAuthenticate,
    ROpen,
    RClose,
    RInvalid,
    RUpgrade,
    RTopics
  >
): Effect.Effect<
  Gateway<ServerMessage, P>,
  InvalidOption | ListenFailed,
  Scope.Scope | Listener | SessionStore | RMessage | RAuthenticate | ROpen | RClose | RInvalid | RUpgrade | RTopics
> =>
  Effect.map(
    GatewayCore.make<
      ClientMessage,
      ServerMessage,
      P,
      RMessage | RAuthenticate | ROpen | RClose | RInvalid | RUpgrade | RTopics
    >(options),
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
  RMessage = never,
  RAuthenticate = never,
  ROpen = never,
  RClose = never,
  RInvalid = never,
  RUpgrade = never,
  RTopics = never
>(
  tag: TagClass<Self, string, ClientMessage, ServerMessage, P>,
  options: ServiceOptions<
    NoInfer<ClientMessage>,
    NoInfer<ServerMessage>,
    NoInfer<P>,
    RMessage,
    RAuthenticate,
    ROpen,
    RClose,
    RInvalid,
    RUpgrade,
    RTopics
  >
): Layer.Layer<
  Self,
  InvalidOption | ListenFailed,
  | Listener
  | SessionStore
  | Exclude<RMessage | RAuthenticate | ROpen | RClose | RInvalid | RUpgrade | RTopics, Scope.Scope>
> => Layer.scoped(tag, make({ ...options, messages: tag.messages }))
