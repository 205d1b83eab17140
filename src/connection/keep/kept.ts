/** The shape of a connection that is kept, and of its options. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Stream from "effect/Stream"
import type { Verdict } from "../../protocol/CloseCode.js"
import type { Frame } from "../../protocol/Codec.js"
import type {
  AttemptError,
  ConnectionEnd,
  InvalidOption,
  MessageInvalid,
  MessageTooLarge,
  NotKept,
  NotSent
} from "../../protocol/ConnectionError.js"
import type { InvalidDecision, Messages } from "../../protocol/Messages.js"
import type { Stats } from "../live/stats.js"
import type * as Options from "../Options.js"
import type { Policy } from "../Reconnect.js"
import type { EndReason, Ready, Status } from "./status.js"

/**
 * A connection that can be used: `connection` counts those that this end has had, from 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeptReady extends Ready {
  readonly connection: number
}

/**
 * The status of a connection that is kept.
 *
 * @since 0.1.0
 * @category models
 */
export type KeptStatus = Status<KeptReady>

/**
 * The times of one connection that differ from those of the options, such as those that a server asks for when it says hello.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timing {
  /** Time between pings. */
  readonly heartbeatInterval?: Duration.DurationInput | undefined
  /** Silence after which the peer counts as dead. Default: as in the options, and at least twice a `heartbeatInterval` that is given here. */
  readonly readDeadline?: Duration.DurationInput | undefined
}

/**
 * A new connection, before it counts as Ready.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opening<Out, In> {
  /** The negotiated subprotocol, or `""`. */
  readonly protocol: string
  /** Counts the connections that came so far, from 1. */
  readonly connection: number
  /** Writes to this connection; what was written to another is not written again by itself. */
  readonly send: (message: Out) => Effect.Effect<void, ConnectionEnd | MessageInvalid | MessageTooLarge>
  /** The next message of this connection. What is not received here is the first of `messages`. */
  readonly receive: Effect.Effect<In, ConnectionEnd>
  /** Keeps this connection alive with times of its own. */
  readonly keepAlive: (timing: Timing) => Effect.Effect<void, InvalidOption>
}

/**
 * What is received: a message, or a place where some may be missing, because a connection had ended for `reason` and the next
 * is Ready since. Several gaps with nothing between them are one.
 *
 * @since 0.1.0
 * @category models
 */
export type Received<In> =
  | { readonly _tag: "Message"; readonly value: In }
  | { readonly _tag: "Gap"; readonly reason: AttemptError }

/**
 * The messages by which a server's own protocol keeps a connection alive, where its WebSocket pings do not.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeartbeatOptions<Out, In, R = never> {
  /** Makes the ping of each `heartbeatInterval`. Default: a ping of the WebSocket, which a page cannot send. */
  readonly ping?: (() => Out | Effect.Effect<Out, never, R>) | undefined
  /** True of the answer to it, which is not among `messages`. */
  readonly isPong?: ((message: In) => boolean) | undefined
  /** The answer to a ping of the server's, which is not among `messages` either; undefined for any other message. */
  readonly answer?: ((message: In) => Out | undefined) | undefined
}

/**
 * How messages are framed, where they are neither frames as they are nor JSON texts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Framing<Out, In> {
  readonly encode: (message: Out) => Either.Either<Frame, MessageInvalid>
  /** Makes what decodes the frames of one connection, each to the messages that it completes, and may remember what came in part. */
  readonly decoder: () => (frame: Frame) => Either.Either<ReadonlyArray<In>, MessageInvalid>
}

/**
 * The options of a connection that is kept: where to, what makes it Ready, and what is done when it ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeepOptions<
  Out,
  In,
  RUrl = never,
  RHeaders = never,
  RConnect = never,
  RPing = never,
  RReconnect = never,
  RInvalid = never
> extends Options.OfReconnecting {
  /** `ws:` or `wss:`; an effect is run for each attempt, within `tokenTimeout`. */
  readonly url: string | Effect.Effect<string, unknown, RUrl>
  /** Extra headers of the upgrade request; an effect is run for each attempt. Not possible in a browser. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | Effect.Effect<Readonly<Record<string, string>>, unknown, RHeaders>
    | undefined
  /** Subprotocols to offer, in the order of preference. Default none. */
  readonly protocols?: ReadonlyArray<string> | undefined
  /** Messages as JSON texts, typed by Schema. Default: frames as they are. */
  readonly messages?: Messages<Out, In> | undefined
  /** A framing of your own, instead of `messages`. */
  readonly framing?: Framing<Out, In> | undefined
  /**
   * Makes a new connection ready, within `connectTimeout`: authenticates, subscribes again, resumes by the server's own means.
   * When it fails, the attempt has failed, with `OnConnectFailed`.
   */
  readonly onConnect?:
    | ((opening: Opening<NoInfer<Out>, NoInfer<In>>) => Effect.Effect<unknown, unknown, RConnect>)
    | undefined
  /** Default: pings of the WebSocket. */
  readonly heartbeat?: HeartbeatOptions<NoInfer<Out>, NoInfer<In>, RPing> | undefined
  /**
   * What `send` does while there is no connection: it waits for the next one, fails with `NotSent`, or succeeds and drops the
   * message. Of those that wait there are at most `highWaterMark` bytes; more fail with `NotSent`. Default `"wait"`.
   */
  readonly whileAway?: "wait" | "fail" | "drop" | undefined
  /** Default `Reconnect.exponential()`. */
  readonly reconnect?: Policy<RReconnect> | undefined
  /**
   * The last word on what follows an end: it is given the end and the verdict of `CloseCode.verdictOf`, and gives the one to act
   * by, which may be another (`CloseCode.stop`, `CloseCode.resume`). Close codes from 4000 on are the server's own (RFC 6455
   * §7.4.2): nothing is known of them, and another attempt follows.
   */
  readonly verdict?: ((end: AttemptError, proposed: Verdict) => Verdict) | undefined
  /** Decides about a message of the server that does not decode. Default: skip it, and log a warning. */
  readonly onInvalid?: ((error: MessageInvalid) => Effect.Effect<InvalidDecision, never, RInvalid>) | undefined
}

/**
 * The figures of a connection that is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeptStats {
  /** Of the connection that is Ready. */
  readonly connection: Stats | undefined
  /** Connections that were Ready, this one included. */
  readonly connections: number
  /** Bytes of what `send` was given and has not written. */
  readonly waiting: number
}

/**
 * A connection that is made anew whenever it ends. There is no session: what was written when a connection ended may have been
 * lost, and so may what the server sent until the next one was Ready.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kept<Out, In> {
  readonly status: Effect.Effect<KeptStatus>
  /** The current status, then every change, up to and with `Ended`. A watcher that falls 64 behind misses the oldest. */
  readonly changes: Stream.Stream<KeptStatus>
  /** Waits until a connection is Ready; bound the wait with `Effect.timeout`. */
  readonly ready: Effect.Effect<KeptReady, NotKept>
  /** Waits until there will be no other connection, and tells why. */
  readonly ended: Effect.Effect<EndReason>
  /**
   * The messages of all connections, in order. While nobody pulls, the socket is paused and the server pushed back. Completes
   * after `close`, fails with `NotKept` at every other end. For one consumer at a time, of `messages` or of `received`.
   */
  readonly messages: Stream.Stream<In, NotKept>
  /** The same, with the places where some may be missing. */
  readonly received: Stream.Stream<Received<In>, NotKept>
  /**
   * Writes a message, after those that were sent before, to the connection that is Ready; while there is none, as `whileAway`
   * says. Interrupted before, it is not written. What was written may be lost with its connection.
   */
  readonly send: (message: Out) => Effect.Effect<void, NotKept | NotSent | MessageInvalid | MessageTooLarge>
  /** Begins an attempt now, instead of waiting for the delay to pass. Nothing happens when a connection is Ready. */
  readonly reconnect: Effect.Effect<void>
  /** Closes with 1000, waits for the handshake for `closeTimeout` at most, and makes no other attempt. */
  readonly close: Effect.Effect<void>
  readonly stats: Effect.Effect<KeptStats>
}
