/**
 * Figures of connections as Effect Metrics. Messages only count plain numbers;
 * what has come together is added at each heartbeat and at the end.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type { ConnectionEnd } from "../protocol/ConnectionError.js"

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

export interface Counts {
  messagesIn: number
  bytesIn: number
  messagesOut: number
  bytesOut: number
  heartbeatsMissed: number
  /** The amounts that earlier flushes have added. */
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
