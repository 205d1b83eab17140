/**
 * Figures of connections and sessions as Effect Metrics. Messages only count plain numbers;
 * what has come together is added at each heartbeat and at the end.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { SessionEnd } from "../gateway/GatewaySession.js"
import type { ConnectionEnd } from "../protocol/ConnectionError.js"
import type { ResetReason } from "../protocol/Protocol.js"

const messages = Metric.counter("holdfast_messages_total", { description: "WebSocket messages", incremental: true })
const bytes = Metric.counter("holdfast_bytes_total", {
  description: "payload of WebSocket messages: bytes of binary, UTF-16 units of text",
  incremental: true
})
const received = Metric.tagged(messages, "direction", "in")
const sent = Metric.tagged(messages, "direction", "out")
const bytesReceived = Metric.tagged(bytes, "direction", "in")
const bytesSent = Metric.tagged(bytes, "direction", "out")
const ends = Metric.counter("holdfast_connections_ended_total", {
  description: "ended connections, by reason",
  incremental: true
})
const missed = Metric.counter("holdfast_heartbeats_missed_total", {
  description: "pings that were unanswered when the next one was due",
  incremental: true
})
const roundTrips = Metric.histogram(
  "holdfast_round_trip_milliseconds",
  MetricBoundaries.exponential({ start: 1, factor: 2, count: 14 }),
  "round-trip times of pings"
)

const welcomes = Metric.counter("holdfast_sessions_welcomed_total", {
  description: "sessions begun and resumed on a gateway",
  incremental: true
})
const begun = Metric.tagged(welcomes, "outcome", "begun")
const resumed = Metric.tagged(welcomes, "outcome", "resumed")
const resets = Metric.counter("holdfast_sessions_reset_total", {
  description: "sessions begun in place of one that could not be resumed, by reason",
  incremental: true
})
const sessionEnds = Metric.counter("holdfast_sessions_ended_total", {
  description: "sessions that ended on a gateway, by reason",
  incremental: true
})

export interface Counts {
  messagesIn: number
  bytesIn: number
  messagesOut: number
  bytesOut: number
  heartbeatsMissed: number
  /** What earlier flushes have added. */
  flushed?: Omit<Counts, "flushed">
}

/** Most connections have nothing to add at most heartbeats. */
const add = (counter: typeof received, amount: number): void => {
  if (amount > 0) counter.unsafeUpdate(amount, [])
}

const nothing = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0, heartbeatsMissed: 0 }

/** Adds what has come since the last flush to the global metrics. */
export const flush = (counts: Counts, roundTrip: number | undefined): void => {
  const { bytesIn, bytesOut, heartbeatsMissed, messagesIn, messagesOut } = counts
  const flushed = counts.flushed ?? nothing
  add(received, messagesIn - flushed.messagesIn)
  add(sent, messagesOut - flushed.messagesOut)
  add(bytesReceived, bytesIn - flushed.bytesIn)
  add(bytesSent, bytesOut - flushed.bytesOut)
  add(missed, heartbeatsMissed - flushed.heartbeatsMissed)
  if (
    messagesIn + messagesOut + heartbeatsMissed >
    flushed.messagesIn + flushed.messagesOut + flushed.heartbeatsMissed
  ) {
    counts.flushed = { messagesIn, bytesIn, messagesOut, bytesOut, heartbeatsMissed }
  }
  if (roundTrip !== undefined) roundTrips.unsafeUpdate(roundTrip, [])
}

export const ended = (end: ConnectionEnd): void => {
  Metric.tagged(ends, "reason", end._tag).unsafeUpdate(1, [])
}

export const welcomed = (outcome: { readonly resumed: boolean; readonly reason?: ResetReason | undefined }): void => {
  const { reason } = outcome
  if (outcome.resumed) resumed.unsafeUpdate(1, [])
  else begun.unsafeUpdate(1, [])
  if (reason !== undefined) Metric.tagged(resets, "reason", reason).unsafeUpdate(1, [])
}

export const sessionEnded = (end: SessionEnd["_tag"]): void => {
  Metric.tagged(sessionEnds, "reason", end).unsafeUpdate(1, [])
}
