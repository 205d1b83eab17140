/** The figures of a connection. */
import type { LiveConnection } from "../liveConnection.js"

/**
 * Figures of a connection: times in milliseconds since the epoch, the
 * round-trip time in milliseconds, text in UTF-16 units and binary in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  /** When the connection was made. */
  readonly since: number
  /** When something last arrived, pings and pongs included; at first, when the connection was made. */
  readonly lastActivity: number
  /** When the last ping left. */
  readonly lastPing: number | undefined
  /** Of the last ping that was answered. */
  readonly roundTrip: number | undefined
  readonly messagesIn: number
  readonly bytesIn: number
  readonly messagesOut: number
  readonly bytesOut: number
  /** Pings that were unanswered when the next one was due. */
  readonly heartbeatsMissed: number
  /** Bytes that wait to leave. */
  readonly buffered: number
}

export const statsOf = (live: LiveConnection): Stats => ({
  since: live.since,
  lastActivity: live.toWallTime(live.lastActivity),
  lastPing: live.pings.lastAt === undefined ? undefined : live.toWallTime(live.pings.lastAt),
  roundTrip: live.pings.roundTrip,
  messagesIn: live.counts.messagesIn,
  bytesIn: live.counts.bytesIn,
  messagesOut: live.counts.messagesOut,
  bytesOut: live.counts.bytesOut,
  heartbeatsMissed: live.counts.heartbeatsMissed,
  buffered: live.transport.buffered()
})
