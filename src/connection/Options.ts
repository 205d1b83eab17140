/**
 * Every timing and limit of Holdfast, with its default and its rule.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { InvalidOption } from "../protocol/ConnectionError.js"
import { countOf, millisOf, suspectAfterOf } from "./options/optionRules.js"
import * as optionVariables from "./options/optionVariables.js"

/**
 * The options of any WebSocket connection. Durations are Effect's `DurationInput`, sizes are bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfConnection {
  /** Time between pings. Default 30 seconds. */
  readonly heartbeatInterval?: Duration.DurationInput | undefined
  /**
   * Time that a ping may be unanswered before the connection is called suspect, which is told and ends nothing; shorter than
   * `readDeadline`. Default a third of `heartbeatInterval`, on a client of the one that it keeps to.
   */
  readonly suspectAfter?: Duration.DurationInput | undefined
  /** Silence after which the peer counts as dead; longer than `heartbeatInterval`. Default 60 seconds. */
  readonly readDeadline?: Duration.DurationInput | undefined
  /** Time a write may take to leave. Default 10 seconds. */
  readonly writeDeadline?: Duration.DurationInput | undefined
  /** Time to open a connection. Default 10 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** Time for the close handshake. Default 5 seconds. */
  readonly closeTimeout?: Duration.DurationInput | undefined
  /** Largest application message. Default 1 MiB. */
  readonly maxMessage?: number | undefined
  /** Bytes waiting to leave above which `send` suspends. Default 1 MiB. */
  readonly highWaterMark?: number | undefined
}

/**
 * The options of an end that dials again when its connection has ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfReconnecting extends OfConnection {
  /** Time that a client's `token` and `url` effects may take together, at each attempt and each refresh. Default `connectTimeout`. */
  readonly tokenTimeout?: Duration.DurationInput | undefined
  /** Time a connection must be Ready before the backoff starts over. Default 5 seconds. */
  readonly stableAfter?: Duration.DurationInput | undefined
}

/**
 * The options that both ends of a session have.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfSession extends OfConnection {
  /** Time for `hello` to arrive, and for `welcome` to answer it. Default 5 seconds. */
  readonly helloTimeout?: Duration.DurationInput | undefined
  /** Time an acknowledgement waits for a message to ride on. Default 50 milliseconds. */
  readonly ackDelay?: Duration.DurationInput | undefined
  /** Largest part in which a larger message travels, to a peer that knows parts. Default 64 KiB. */
  readonly maxPart?: number | undefined
  /** Messages kept for retransmission in each direction. Default 1024. */
  readonly replayMessages?: number | undefined
  /** Bytes kept for retransmission in each direction. Default 1 MiB. */
  readonly replayBytes?: number | undefined
  /**
   * Publications that wait: on a gateway for a session's slow connection, in all its topics; on a client for the consumer
   * of a subscription. What becomes of more is the topic's policy; the newest of a topic that may skip waits beyond it. Default 1024.
   */
  readonly queueMessages?: number | undefined
  /** Bytes of them. Default 1 MiB. */
  readonly queueBytes?: number | undefined
  /** Topics that a session may be subscribed to; one more is refused. Default 100. */
  readonly maxSubscriptions?: number | undefined
}

/**
 * A client's timings and limits.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfClient extends OfReconnecting, OfSession {}

/**
 * A gateway's timings and limits.
 *
 * @since 0.1.0
 * @category models
 */
export interface OfGateway extends OfSession {
  /** Time that a session outlives its connection. Default 2 minutes. */
  readonly resumeWindow?: Duration.DurationInput | undefined
  /**
   * Time without a connection after which the members of its topics are told that a session is away; at once where its page was
   * closed or left (1001). Default 5 seconds.
   */
  readonly awayAfter?: Duration.DurationInput | undefined
  /** Time that a drain may take in all. Default 5 seconds. */
  readonly drainTimeout?: Duration.DurationInput | undefined
  /** Time over which a drain spreads the clients' reconnects. Default 5 seconds. */
  readonly drainSpread?: Duration.DurationInput | undefined
  /**
   * Time before a principal's `expiresAt` at which the client is asked for a fresh token. A principal that has less left is
   * renewed at once; one that was just renewed and has less left, at half of it, and never within a second. Default 30 seconds.
   */
  readonly refreshBefore?: Duration.DurationInput | undefined
  /** Largest hello, with its token: until a client is known it can send nothing larger. Default 16 KiB. */
  readonly maxHello?: number | undefined
  /**
   * Bytes of messages that have come in part, in all sessions of a gateway; more are answered 4429, after those of clients that are
   * away were given up. Default 64 MiB, and at least `maxMessage`.
   */
  readonly maxUnfinished?: number | undefined
  /** Sessions a gateway holds, connected or not; one more is answered 1013. Default 100,000. */
  readonly maxSessions?: number | undefined
  /** Sessions a gateway holds for one principal, connected or not; one more is told to come back (4429). Default 10,000. */
  readonly maxSessionsPerPrincipal?: number | undefined
  /** Connections a gateway holds, from the upgrade until the socket is gone; one more is answered HTTP 503. Default 100,000. */
  readonly maxConnections?: number | undefined
  /**
   * Connections a gateway holds from one IP address (of IPv6: one /64); one more is answered HTTP 429. Everybody behind one proxy has the
   * proxy's address. Default 10,000.
   */
  readonly maxConnectionsPerAddress?: number | undefined
  /**
   * Sessions per second that are to come back when a gateway is gone: clients that lose it are told to spread over as many seconds
   * as it had sessions for, at most 10. Default 2000.
   */
  readonly admitRate?: number | undefined
  /**
   * Messages per second that a gateway takes from a client, beside those in flight when the network stalls; more are
   * answered 4429. Heartbeats count too: at least 40 for each. Default 10,000, and at least so many.
   */
  readonly messageRate?: number | undefined
  /** Bytes of them per second. Default 16 MiB. */
  readonly byteRate?: number | undefined
  /**
   * Requests about topics per second that a gateway looks at for a session; more wait their turn. Default 1000.
   */
  readonly requestRate?: number | undefined
  /** Requests that a session may have unanswered; one more is a violation (4400). Default 2048. */
  readonly maxRequests?: number | undefined
  /**
   * Publications with a key that a gateway takes from a session within the broker's `keyWindow`; one more is refused with
   * `too-many-keys`. Default 10,000.
   */
  readonly maxKeysPerSession?: number | undefined
}

/**
 * Every option there is, as configuration gives them: each end takes its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface All extends OfClient, OfGateway {}

/**
 * `All` with every value present: durations in milliseconds, sizes in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export type Resolved = { readonly [K in keyof All]-?: number }

const durations = {
  heartbeatInterval: 30_000,
  readDeadline: 60_000,
  writeDeadline: 10_000,
  connectTimeout: 10_000,
  helloTimeout: 5_000,
  closeTimeout: 5_000,
  resumeWindow: 120_000,
  awayAfter: 5_000,
  stableAfter: 5_000,
  ackDelay: 50,
  drainTimeout: 5_000,
  drainSpread: 5_000,
  refreshBefore: 30_000
} as const

const counts = {
  maxMessage: 1024 * 1024,
  maxPart: 64 * 1024,
  maxUnfinished: 64 * 1024 * 1024,
  maxHello: 16 * 1024,
  replayMessages: 1024,
  replayBytes: 1024 * 1024,
  highWaterMark: 1024 * 1024,
  queueMessages: 1024,
  queueBytes: 1024 * 1024,
  maxSubscriptions: 100,
  messageRate: 10_000,
  byteRate: 16 * 1024 * 1024,
  requestRate: 1000,
  maxRequests: 2048,
  maxKeysPerSession: 10_000,
  maxSessions: 100_000,
  admitRate: 2000,
  maxSessionsPerPrincipal: 10_000,
  maxConnections: 100_000,
  maxConnectionsPerAddress: 10_000
} as const

/**
 * The defaults: milliseconds and bytes.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaults: Resolved = {
  ...durations,
  ...counts,
  suspectAfter: suspectAfterOf(durations.heartbeatInterval),
  tokenTimeout: durations.connectTimeout
}

/** Bytes: the least that `maxPart` may be. */
const leastPart = 4096

/** May be zero: "at once", "not at all". */
const mayBeZero: ReadonlySet<string> = new Set(["ackDelay", "awayAfter", "drainTimeout", "drainSpread", "stableAfter"])

/**
 * Decodes and checks options once, naming the first that breaks its rule.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (options: All = {}): Effect.Effect<Resolved, InvalidOption> =>
  Effect.gen(function* () {
    const out: { -readonly [K in keyof All]-?: number } = { ...defaults }
    for (const option of Object.keys(durations) as Array<keyof typeof durations>) {
      const value = options[option]
      if (value !== undefined) out[option] = yield* millisOf(option, value, mayBeZero.has(option))
    }
    for (const option of Object.keys(counts) as Array<keyof typeof counts>) {
      const value = options[option]
      if (value !== undefined) out[option] = yield* countOf(option, value)
    }
    out.tokenTimeout =
      options.tokenTimeout === undefined ? out.connectTimeout : yield* millisOf("tokenTimeout", options.tokenTimeout)
    if (out.readDeadline <= out.heartbeatInterval) {
      return yield* new InvalidOption({
        option: "readDeadline",
        value: `${out.readDeadline} ms`,
        rule: `longer than heartbeatInterval (${out.heartbeatInterval} ms), or every quiet connection is cut between two pings`
      })
    }
    out.suspectAfter =
      options.suspectAfter === undefined
        ? suspectAfterOf(out.heartbeatInterval)
        : yield* millisOf("suspectAfter", options.suspectAfter)
    if (out.suspectAfter >= out.readDeadline) {
      return yield* new InvalidOption({
        option: "suspectAfter",
        value: `${out.suspectAfter} ms`,
        rule: `shorter than readDeadline (${out.readDeadline} ms), or a peer is taken for dead before it is ever suspect`
      })
    }
    if (out.maxPart < leastPart) {
      return yield* new InvalidOption({
        option: "maxPart",
        value: String(out.maxPart),
        rule: `at least ${leastPart} bytes, or what surrounds the parts is as much as they are`
      })
    }
    if (options.maxUnfinished === undefined) out.maxUnfinished = Math.max(out.maxUnfinished, out.maxMessage)
    if (out.maxUnfinished < out.maxMessage) {
      return yield* new InvalidOption({
        option: "maxUnfinished",
        value: String(out.maxUnfinished),
        rule: `at least maxMessage (${out.maxMessage}), or no such message ever comes whole`
      })
    }
    const leastRate = Math.ceil(40_000 / out.heartbeatInterval)
    if (options.messageRate === undefined) out.messageRate = Math.max(out.messageRate, leastRate)
    if (out.messageRate < leastRate) {
      return yield* new InvalidOption({
        option: "messageRate",
        value: String(out.messageRate),
        rule: `at least ${leastRate}, which is 40 for each heartbeatInterval (${out.heartbeatInterval} ms), or a client that may send so much is closed for its heartbeats`
      })
    }
    return out
  })

/**
 * Options from configuration: `HOLDFAST_HEARTBEAT_INTERVAL="30 seconds"`, `HOLDFAST_MAX_MESSAGE=1048576` and so on, one
 * variable for each option; what is absent or empty keeps its default. A value that is no duration or no whole number is
 * refused here, and so is a variable whose name is nearly that of an option; one that breaks the option's rule is refused
 * where the options are used.
 *
 * @since 0.1.0
 * @category constructors
 */
export const config: Config.Config<All> = optionVariables.read(
  [...(Object.keys(durations) as Array<keyof typeof durations>), "suspectAfter", "tokenTimeout"],
  Object.keys(counts) as Array<keyof typeof counts>
)
