/** The figures that a session tells of itself. */
import * as Effect from "effect/Effect"
import type { SessionDriver } from "../../session/sessionDriver.js"
import type { Principal } from "../principal.js"

/**
 * Figures of a session. Times are milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionInfo {
  readonly id: string
  readonly principal: string
  readonly since: number
  /** Counts the connections that have acted for the session. */
  readonly generation: number
  /** The one that acts for it; undefined while the client is away. */
  readonly connection:
    | {
        readonly remoteAddress: string
        readonly since: number
        readonly lastActivity: number
        /** Milliseconds, of the last ping that was answered. */
        readonly roundTrip: number | undefined
        /** Pings that were unanswered when the next one was due. */
        readonly heartbeatsMissed: number
        /** A ping is unanswered for `suspectAfter`, and nothing has come since. */
        readonly suspect: boolean
      }
    | undefined
  /** Messages to the client that it has not acknowledged. */
  readonly unacknowledged: { readonly messages: number; readonly bytes: number }
  /** Messages of the client that wait for the handler. */
  readonly unprocessed: number
  /** Messages to the client that were sent again, counted since the session lives here. */
  readonly replayed: number
  /** Messages that the client sent again and this end had: they were dropped. */
  readonly suppressed: number
  /** The names of the topics that it is subscribed to. */
  readonly subscriptions: ReadonlyArray<string>
  /** Publications that wait for its connection. */
  readonly queued: { readonly messages: number; readonly bytes: number }
}

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

export const infoOf = (session: Told, topics: Topics, suspectAfter: number): Effect.Effect<SessionInfo> =>
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
              roundTrip: live.pings.roundTrip,
              heartbeatsMissed: live.counts.heartbeatsMissed,
              suspect: live.isUnansweredFor(suspectAfter)
            },
      unacknowledged: outbox.buffered,
      unprocessed: state.received - state.processed,
      ...driver.counts,
      subscriptions: topics.names,
      queued: topics.queued
    }
  })
