/** Figures of sessions as Effect Metrics. */
import * as Metric from "effect/Metric"
import type { ResetReason } from "../../protocol/Protocol.js"
import type { SessionEnd } from "../GatewaySession.js"

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

export const welcomed = (outcome: { readonly resumed: boolean; readonly reason?: ResetReason | undefined }): void => {
  const { reason } = outcome
  if (outcome.resumed) resumed.unsafeUpdate(1, [])
  else begun.unsafeUpdate(1, [])
  if (reason !== undefined) Metric.tagged(resets, "reason", reason).unsafeUpdate(1, [])
}

export const ended = (end: SessionEnd["_tag"]): void => {
  Metric.tagged(sessionEnds, "reason", end).unsafeUpdate(1, [])
}
