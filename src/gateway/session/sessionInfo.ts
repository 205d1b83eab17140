/** The figures that a session tells of itself. */
import * as Effect from "effect/Effect"
import type { SessionDriver } from "../../session/sessionDriver.js"
import type { Principal, SessionInfo } from "../GatewaySession.js"

interface Told {
  readonly id: string
  readonly principal: Principal
  readonly since: number
  readonly fencedStore: { readonly generation: number }
  readonly driver: SessionDriver
}

interface Topics {
  readonly names: ReadonlyArray<string>
  readonly queued: SessionInfo["queued"]
}

export const infoOf = (session: Told, topics: Topics): Effect.Effect<SessionInfo> =>
  Effect.sync(() => {
    const { driver, fencedStore, id, principal, since } = session
    const { live, outbox, state } = driver
    return {
      id,
      principal: principal.id,
      since,
      generation: fencedStore.generation,
      connection:
        live === undefined
          ? undefined
          : {
              remoteAddress: live.transport.remoteAddress,
              since: live.since,
              lastActivity: live.toWallTime(live.lastActivity),
              roundTrip: live.roundTrip,
              heartbeatsMissed: live.counts.heartbeatsMissed
            },
      unacknowledged: outbox.buffered,
      unprocessed: state.received - state.processed,
      ...driver.counts,
      subscriptions: topics.names,
      queued: topics.queued
    }
  })
