/**
 * The options of a gateway, and the handlers among them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { UpgradeRequest } from "../connection/Listener.js"
import type * as Options from "../connection/Options.js"
import type {
  BrokerUnavailable,
  MessageInvalid,
  MessageTooLarge,
  NotAllowed,
  NotAuthenticated,
  SessionClosed,
  TopicRefused,
  UpgradeRefused
} from "../protocol/ConnectionError.js"
import type { InvalidDecision, Messages } from "../protocol/Messages.js"
import type { Session, SessionEnd } from "./GatewaySession.js"
import type { Outcome } from "./Outcome.js"
import type { Principal } from "./principal.js"
import type { MakeRule, Rules } from "./TopicRule.js"

/**
 * The credentials that come with a hello, or with a fresh token; `token` is undefined in a hello that has none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hello {
  readonly token: string | undefined
  readonly request: UpgradeRequest
}

/**
 * The failures of a session's `send`: it is over, or the handler has made a message that cannot be sent. A handler may leave
 * them undeclared.
 *
 * @since 0.1.0
 * @category models
 */
export type SendFailure = SessionClosed | MessageInvalid | MessageTooLarge

/**
 * The handlers of an application for its sessions. Each handler may need services of
 * its own; `Handling` is the effect that `onMessage` gives.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handlers<
  ClientMessage,
  ServerMessage,
  P extends Principal,
  Handling extends Effect.Effect<void, unknown, unknown>,
  ROpen,
  RClose,
  RInvalid,
  RFailure
> {
  /**
   * Handles one message; the next one of the same session waits for it. The
   * message is acknowledged when the effect has succeeded; when it fails, `onFailure` says what follows; when it dies, the session
   * ends, and its client begins a new one (4411). `seq` with the session's id is the message's
   * stable id, an idempotency key.
   */
  readonly onMessage: (message: ClientMessage, session: Session<ServerMessage, P>, seq: number) => Handling
  /**
   * Decides what becomes of a message whose handler has failed with a typed error: `Outcome.refuse`, `Outcome.retry` or
   * `Outcome.end`. Asked for each run that fails. Needed as soon as `onMessage` can fail with anything but what the session's own
   * `send` fails with; without it, such a failure is a defect.
   */
  readonly onFailure?:
    | ((
        error: Effect.Effect.Error<Handling>,
        session: Session<ServerMessage, P>,
        seq: number
      ) => Outcome<Effect.Effect.Error<Handling>, RFailure>)
    | undefined
  /**
   * A session begins, or is resumed from another gateway; before its first message here. When it dies, or fails with what the session's
   * own operations fail with, the session ends as with `onMessage`.
   */
  readonly onOpen?:
    | ((
        session: Session<ServerMessage, P>
      ) => Effect.Effect<void, SendFailure | TopicRefused | BrokerUnavailable, ROpen>)
    | undefined
  /** A session has ended here; nothing can be sent to it any more. */
  readonly onClose?:
    | ((session: Session<ServerMessage, P>, end: SessionEnd) => Effect.Effect<void, never, RClose>)
    | undefined
  /**
   * A message does not decode. Default: `Continue`, which counts it as processed
   * without `onMessage`. Either way the client is told, now or when it comes back: a `Refused`
   * event, and `MessageRefused` from its `deliver`.
   */
  readonly onInvalid?:
    | ((error: MessageInvalid, session: Session<ServerMessage, P>) => Effect.Effect<InvalidDecision, never, RInvalid>)
    | undefined
}

/**
 * Asks for `onFailure` where `onMessage` can fail with more than `send` does.
 *
 * @since 0.1.0
 * @category models
 */
export type FailureDeclared<Handling extends Effect.Effect<void, unknown, unknown>> = [
  Exclude<Effect.Effect.Error<Handling>, SendFailure>
] extends [never]
  ? unknown
  : { readonly onFailure: (...args: never) => unknown }

/**
 * The options of a gateway but for its messages: handlers, topics, and who may connect; besides, all of `Options.OfGateway`.
 * What each of them needs is inferred by itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServiceOptions<
  ClientMessage,
  ServerMessage,
  P extends Principal,
  Handling extends Effect.Effect<void, unknown, unknown> = Effect.Effect<void, SendFailure>,
  RAuthenticate = never,
  ROpen = never,
  RClose = never,
  RInvalid = never,
  RUpgrade = never,
  RTopics extends ReadonlyArray<unknown> = [],
  RFailure = never
> extends Options.OfGateway,
    Handlers<ClientMessage, ServerMessage, P, Handling, ROpen, RClose, RInvalid, RFailure> {
  /**
   * Tells who asks, at each hello, those that resume included, and with each fresh token of a principal that expires;
   * bounded by `helloTimeout`. A refusal of a fresh token ends the session.
   */
  readonly authenticate: (hello: Hello) => Effect.Effect<P, NotAuthenticated | NotAllowed, RAuthenticate>
  /**
   * The topics that there are: the first rule whose pattern a name fits decides. They need a Broker. Made with `Gateway.topic`,
   * or with the `topic` that a function here is given, whose `principal` is of the type that `authenticate` gives.
   */
  readonly topics?: Rules<P, RTopics> | ((topic: MakeRule<P>) => Rules<P, RTopics>) | undefined
  /**
   * The origins of pages that may connect, as browsers send them: `https://example.com`, without a slash at the end; requests
   * without that header are not a browser's. Others are answered 403, and the gateway logs the first of them. Default: any.
   */
  readonly origins?: ReadonlyArray<string> | undefined
  /** Looks at the upgrade request before it is accepted: its headers, cookies, address; bounded by `helloTimeout`. Default: accept. */
  readonly authorizeUpgrade?: ((request: UpgradeRequest) => Effect.Effect<void, UpgradeRefused, RUpgrade>) | undefined
}

/**
 * The options of a gateway; what they need is `R`, and what its `onMessage` may fail with is `E`.
 *
 * @since 0.1.0
 * @category models
 */
export interface GatewayOptions<ClientMessage, ServerMessage, P extends Principal, R = never, E = SendFailure>
  extends ServiceOptions<
    ClientMessage,
    ServerMessage,
    P,
    Effect.Effect<void, E, R>,
    R,
    R,
    R,
    R,
    R,
    ReadonlyArray<R>,
    R
  > {
  readonly messages: Messages<ClientMessage, ServerMessage>
}
