/** The counts of a gateway since it began. Messages cost it nothing: each connection counts its own, and they are summed when asked for. */

import type { Counts } from "../connection/metrics.js"
import type { ResetReason } from "../protocol/Protocol.js"
import type { SessionEnd, Stats } from "./GatewaySession.js"
import * as metrics from "./session/metrics.js"

type Counted = Pick<Counts, "messagesIn" | "messagesOut" | "heartbeatsMissed">
type ByReset = Record<ResetReason, number>
type ByEnd = Record<SessionEnd["_tag"], number>

const add = (sum: Counted, counts: Counted): void => {
  sum.messagesIn += counts.messagesIn
  sum.messagesOut += counts.messagesOut
  sum.heartbeatsMissed += counts.heartbeatsMissed
}

export class GatewayStats {
  private readonly gone: Counted = { messagesIn: 0, messagesOut: 0, heartbeatsMissed: 0 }
  private begun = 0
  private resumed = 0
  private readonly reset: ByReset = { unknown: 0, expired: 0, overflow: 0, secret: 0, incomplete: 0, ended: 0 }
  private readonly ended: ByEnd = {
    Bye: 0,
    Expired: 0,
    Ended: 0,
    NotAuthenticated: 0,
    NotAllowed: 0,
    HandlerFailed: 0,
    Overflow: 0,
    Incomplete: 0,
    MovedAway: 0,
    Lost: 0,
    Shutdown: 0
  }

  /** A connection acts for a session: a new one, in place of one that was asked for if there is a reason. */
  welcomed(outcome: { readonly resumed: boolean; readonly reason?: ResetReason | undefined }): void {
    if (outcome.resumed) this.resumed++
    else this.begun++
    if (outcome.reason !== undefined) this.reset[outcome.reason]++
    metrics.welcomed(outcome)
  }

  sessionEnded(end: SessionEnd["_tag"]): void {
    this.ended[end]++
    metrics.ended(end)
  }

  /** A connection is summed no more by who asks. */
  connectionGone(counts: Counted): void {
    add(this.gone, counts)
  }

  /** With those of the connections that are there. */
  since(
    connections: Iterable<{ readonly counts: Counted }>
  ): Omit<Stats, "connections" | "sessions" | "since" | "idleTimeout"> {
    const sum = { ...this.gone }
    for (const { counts } of connections) add(sum, counts)
    const { begun, resumed } = this
    return { ...sum, begun, resumed, reset: { ...this.reset }, ended: { ...this.ended } }
  }
}
