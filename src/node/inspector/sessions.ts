/** The table of sessions: of ten thousand, one page. */
import * as Effect from "effect/Effect"
import type { Gateway, Session, SessionInfo } from "../../gateway/GatewaySession.js"
import type { Page, SessionDetail, SessionRow, SessionSort } from "./model.js"
import { type Key, type Keyed, pageOf } from "./paging.js"
import type { Listing } from "./query.js"

/** Sessions that are looked at before the event loop has its turn: well under a millisecond of them. */
const turn = 500

const rowOf = (info: SessionInfo, node: string): SessionRow => {
  const { connection, subscriptions, ...rest } = info
  return {
    ...rest,
    node,
    connection:
      connection === undefined
        ? null
        : {
            address: connection.remoteAddress,
            since: connection.since,
            lastActivity: connection.lastActivity,
            roundTrip: connection.roundTrip ?? null,
            heartbeatsMissed: connection.heartbeatsMissed,
            suspect: connection.suspect
          },
    subscriptions: subscriptions.length
  }
}

export const detailOf = (info: SessionInfo, node: string): SessionDetail => ({
  ...rowOf(info, node),
  topics: info.subscriptions
})

const keyOf = (info: SessionInfo, sort: SessionSort): Key => {
  switch (sort) {
    case "id":
      return info.id
    case "principal":
      return info.principal
    case "since":
      return info.since
    case "generation":
      return info.generation
    case "address":
      return info.connection?.remoteAddress
    case "lastActivity":
      return info.connection?.lastActivity
    case "roundTrip":
      return info.connection?.roundTrip
    case "heartbeatsMissed":
      return info.connection?.heartbeatsMissed
    case "unacknowledged":
      return info.unacknowledged.bytes
    case "unprocessed":
      return info.unprocessed
    case "queued":
      return info.queued.bytes
    case "subscriptions":
      return info.subscriptions.length
  }
}

const matches = (info: SessionInfo, filter: string): boolean => {
  const has = (text: string) => text.toLowerCase().includes(filter)
  return (
    has(info.principal) || has(info.id) || has(info.connection?.remoteAddress ?? "") || info.subscriptions.some(has)
  )
}

/** The key of a session that the filter lets through. Its figures are let go of at once: those of all would be megabytes. */
const considered = (
  session: Session<never>,
  asked: Listing<SessionSort>
): Effect.Effect<Keyed<Session<never>> | undefined> => {
  const { id } = session
  if (asked.filter === "" && asked.sort === "id") return Effect.succeed({ key: id, id, of: session })
  return Effect.map(session.info, (info) =>
    asked.filter === "" || matches(info, asked.filter) ? { key: keyOf(info, asked.sort), id, of: session } : undefined
  )
}

/** Gives a page of the table. One after the other: the turns of many at once would be one long turn. */
export const makeList = (
  gateway: Gateway<never>
): ((asked: Listing<SessionSort>) => Effect.Effect<Page<SessionRow>>) => {
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
  return (asked) => alone(list(gateway, asked))
}

const list = Effect.fnUntraced(function* (
  gateway: Gateway<never>,
  asked: Listing<SessionSort>
): Effect.fn.Return<Page<SessionRow>> {
  const sessions = yield* gateway.sessions
  const matching: Array<Keyed<Session<never>>> = []
  for (const [at, session] of sessions.entries()) {
    // Fibers yield to each other alone: the event loop turns when one sleeps.
    if (at % turn === turn - 1) yield* Effect.sleep(0)
    const found = yield* considered(session, asked)
    if (found !== undefined) matching.push(found)
  }
  const page = pageOf(matching, sessions.length, asked)
  const rows = yield* Effect.forEach(page.rows, ({ info }) => info)
  return { ...page, rows: rows.map((info) => rowOf(info, gateway.node)) }
})
