import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Broker, type Gateway, type Session } from "holdfast"
import { type Page, type SessionRow, type SessionSort, sessionSorts } from "../../src/node/inspector/model.js"
import { makeList } from "../../src/node/inspector/sessions.js"
import { limit } from "../support/patience.js"
import { join } from "../support/peer.js"
import { makeGateway, Room } from "../support/topics.js"
import { World } from "../support/virtual.js"
import { inspect } from "./inspectorSupport.js"

const Shared = Layer.merge(World, Layer.effect(Broker.Broker, Broker.makeMemory()))
const count = 600

/** Of different principals, some in rooms, some away, some that have been resumed or sent something. */
const crowd = (gateway: Gateway.Gateway<unknown>) =>
  Effect.gen(function* () {
    for (let at = 0; at < count; at++) {
      const { peer } = yield* join({ token: `Principal-${(at * 7919) % 311}` })
      if (at % 5 === 0) yield* peer.say({ type: "subscribe", id: 1, topic: Room.at({ room: `r${at % 40}` }).name })
      if (at % 7 === 0) yield* peer.leave
    }
    for (const [at, session] of (yield* gateway.sessions).entries()) {
      if (at % 3 === 0) yield* Effect.ignore(session.send("x".repeat(at % 13)))
    }
  })

type Key = string | number | undefined

const naiveKey: Record<SessionSort, (info: Session.SessionInfo) => Key> = {
  id: ({ id }) => id,
  principal: ({ principal }) => principal,
  address: ({ connection }) => connection?.remoteAddress,
  since: ({ since }) => since,
  lastActivity: ({ connection }) => connection?.lastActivity,
  roundTrip: ({ connection }) => connection?.roundTrip,
  heartbeatsMissed: ({ connection }) => connection?.heartbeatsMissed,
  unacknowledged: ({ unacknowledged }) => unacknowledged.bytes,
  unprocessed: ({ unprocessed }) => unprocessed,
  queued: ({ queued }) => queued.bytes,
  subscriptions: ({ subscriptions }) => subscriptions.length,
  generation: ({ generation }) => generation
}

const naive = (
  infos: ReadonlyArray<Session.SessionInfo>,
  sort: SessionSort,
  order: "asc" | "desc",
  filter: string
): ReadonlyArray<string> => {
  const found = infos.filter(({ connection, id, principal, subscriptions }) =>
    [id, principal, connection?.remoteAddress ?? "", ...subscriptions].some((text) =>
      text.toLowerCase().includes(filter.toLowerCase())
    )
  )
  const key = naiveKey[sort]
  const byId = [...found].sort((one, other) => (one.id < other.id ? -1 : 1))
  const known = byId.filter((info) => key(info) !== undefined)
  const compare = (one: Key, other: Key) =>
    one === undefined || other === undefined || one === other ? 0 : one < other ? -1 : 1
  known.sort((one, other) => (order === "asc" ? 1 : -1) * compare(key(one), key(other)))
  return [...known, ...byId.filter((info) => key(info) === undefined)].map(({ id }) => id)
}

describe("the table of sessions", () => {
  it.scoped(
    `its pages of ${count} sessions are those of all of them, filtered and sorted`,
    () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        yield* crowd(gateway)
        const { json } = yield* inspect(gateway)
        const infos = yield* Effect.forEach(yield* gateway.sessions, ({ info }) => info)
        assert.lengthOf(infos, count)
        const size = 100
        for (const sort of sessionSorts) {
          for (const order of ["asc", "desc"] as const) {
            for (const filter of ["", "PRINCIPAL-17", "rooms/r1", "nobody"]) {
              const expected = naive(infos, sort, order, filter)
              const pages = Math.max(1, Math.ceil(expected.length / size))
              const seen: Array<string> = []
              for (let page = 1; page <= pages; page++) {
                const query = new URLSearchParams({ sort, order, filter, page: String(page), size: String(size) })
                const answer = yield* json<Page<SessionRow>>(`sessions?${query}`)
                assert.deepInclude(answer, { page, pages, size, matching: expected.length, total: count })
                seen.push(...answer.rows.map(({ id }) => id))
              }
              assert.deepStrictEqual(seen, expected, `${sort} ${order} ${filter}`)
            }
          }
        }
      }).pipe(Effect.provide(Shared)),
    limit
  )

  it.live("is looked through for one request after the other, however many there are at once", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      let requests = 0
      const sessions = Effect.sync(() => {
        const request = requests++
        const info = Effect.sync(() => {
          seen.push(request)
          return { id: "", principal: "", subscriptions: [] }
        })
        return Array.from({ length: 1100 }, (_, at) => ({ id: String(at), info }))
      })
      // All that a listing asks of a gateway.
      const list = makeList({ node: "", sessions } as unknown as Gateway.Gateway<never>)
      const asked = { sort: "principal", order: "asc", filter: "", page: 1, size: 1 } as const
      yield* Effect.all([list(asked), list(asked), list(asked)], { concurrency: "unbounded" })
      assert.lengthOf(seen, 3 * 1101)
      assert.deepStrictEqual(
        seen,
        [...seen].sort((one, other) => one - other)
      )
    })
  )

  it.scoped("a page after the last is the last", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { json } = yield* inspect(gateway)
      const empty = yield* json<Page<SessionRow>>("sessions?page=9")
      assert.deepStrictEqual(empty, { rows: [], page: 1, pages: 1, size: 50, matching: 0, total: 0 })
      for (let at = 0; at < 5; at++) yield* join()
      const last = yield* json<Page<SessionRow>>("sessions?page=9&size=2")
      assert.deepInclude(last, { page: 3, pages: 3, matching: 5 })
      assert.lengthOf(last.rows, 1)
    }).pipe(Effect.provide(Shared))
  )
})
