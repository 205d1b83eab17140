/**
 * One connection as a scoped resource: kept alive by heartbeats, judged by
 * deadlines, ended once with a typed reason.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CloseCode } from "../protocol/CloseCode.js"
import { byteLength, type Frame } from "../protocol/Codec.js"
import {
  type ConnectionEnd,
  type ConnectTimeout,
  type DialFailed,
  type DialRefused,
  type InvalidOption,
  MessageTooLarge
} from "../protocol/ConnectionError.js"
import { Dialer } from "./Dialer.js"
import * as Heartbeat from "./heartbeat.js"
import * as dialing from "./keep/dialing.js"
import { type Stats, statsOf } from "./live/stats.js"
import * as liveConnection from "./liveConnection.js"
import * as Options from "./Options.js"
import { ReceiveQueue } from "./receiveQueue.js"
import type { Transport } from "./Transport.js"

export type {
  Framing,
  HeartbeatOptions,
  KeepOptions,
  Kept,
  KeptReady,
  KeptStats,
  KeptStatus,
  Opening,
  Received,
  Timing
} from "./keep/kept.js"
export { keep } from "./keep/keptConnection.js"
export type { EndReason } from "./keep/status.js"
export type { Stats } from "./live/stats.js"

/**
 * An open WebSocket, and in time its end: frames both ways, a typed reason, figures.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /** The negotiated subprotocol, or `""`. */
  readonly protocol: string
  /** The peer's address, as the platform knows it: in a browser the host of the URL. */
  readonly remoteAddress: string
  /**
   * The messages that arrive, in order. While nobody pulls, the socket is paused and the
   * peer pushed back. Completes after this end closed, fails with the typed
   * reason of every other end. Meant for one consumer.
   */
  readonly messages: Stream.Stream<Frame, ConnectionEnd>
  /** Sends a message, after waiting while more than `highWaterMark` bytes wait to leave. */
  readonly send: (frame: Frame) => Effect.Effect<void, ConnectionEnd | MessageTooLarge>
  /** Closes with a code (default 1000) and waits for the handshake, at most `closeTimeout` and then by force. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** Waits for the end, and tells why. */
  readonly ended: Effect.Effect<ConnectionEnd>
  readonly stats: Effect.Effect<Stats>
}

/**
 * Makes a transport a connection that lives as long as the scope: pings every
 * `heartbeatInterval`, ends when nothing came for `readDeadline` or a write was
 * stuck for `writeDeadline`. The scope closes it with 1001; after that no
 * fiber, timer, listener or socket of it remains.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  transport: Transport,
  options?: Options.OfConnection
): Effect.Effect<Connection, InvalidOption, Scope.Scope> =>
  Effect.gen(function* () {
    const resolved = yield* Options.resolve(options)
    const live = yield* liveConnection.make(transport, resolved)
    const queue = new ReceiveQueue<Frame, ConnectionEnd>(resolved.highWaterMark)
    queue.attach(live)
    live.open({
      message: (frame) => queue.push(frame, frame.length),
      drained: () => {},
      ended: (end) => queue.finish(end._tag === "ClosedLocally" ? Option.none() : Option.some(end))
    })
    live.keepAlive(resolved, yield* Heartbeat.jitter)
    return {
      protocol: transport.protocol,
      remoteAddress: transport.remoteAddress,
      messages: Stream.repeatEffectOption(queue.take),
      send: (frame) =>
        Effect.suspend((): Effect.Effect<void, ConnectionEnd | MessageTooLarge> => {
          const size = byteLength(frame)
          return size > resolved.maxMessage
            ? Effect.fail(new MessageTooLarge({ size, limit: resolved.maxMessage }))
            : live.send(frame)
        }),
      close: (code = CloseCode.Normal, reason = "") =>
        Effect.suspend(() => {
          live.close(code, reason)
          return live.gone
        }),
      ended: live.ended,
      stats: Effect.sync(() => statsOf(live))
    }
  })

/**
 * Dials and makes a connection: the first thing a client of a plain WebSocket
 * server needs. The attempt is bounded by `connectTimeout`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dial = (
  url: string,
  options?: Options.OfConnection & {
    /** Subprotocols to offer, in the order of preference. Default none. */
    readonly protocols?: ReadonlyArray<string> | undefined
    /** Extra headers of the upgrade request; in a browser they make it fail with `DialFailed`. */
    readonly headers?: Readonly<Record<string, string>> | undefined
  }
): Effect.Effect<Connection, InvalidOption | DialFailed | DialRefused | ConnectTimeout, Scope.Scope | Dialer> =>
  Effect.gen(function* () {
    const resolved = yield* Options.resolve(options)
    const dialer = yield* Dialer
    const transport = yield* dialing.dial(dialer, resolved, {
      url,
      protocols: options?.protocols ?? [],
      headers: options?.headers,
      maxFrame: resolved.maxMessage
    })
    return yield* make(transport, options)
  })
