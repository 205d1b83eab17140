import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { Session } from "holdfast"
import { limit } from "../support/patience.js"
import { eventually, makeClient, makeGateway, upTo } from "./support.js"
import * as TcpProxy from "./tcpProxy.js"

const clients = 200
const cuts = Number(process.env.MANY_SESSIONS_CUTS ?? 6)
/** Messages of each session, each way, around each cut. */
const each = 5

/** Numbers by the session that they arrived in. */
const makeLog = () => {
  const logs = new Map<string, Array<number>>()
  const of = (id: string) => {
    const log = logs.get(id) ?? []
    logs.set(id, log)
    return log
  }
  const size = () => [...logs.values()].reduce((sum, { length }) => sum + length, 0)
  return { of, size, note: (id: string, number: number) => Effect.sync(() => void of(id).push(number)) }
}

const inParallel = <A, E, R>(all: Iterable<A>, f: (a: A) => Effect.Effect<unknown, E, R>) =>
  Effect.forEach(all, f, { concurrency: "unbounded", discard: true })

describe("many sessions at once", () => {
  it.scopedLive(
    `${clients} sessions survive ${cuts} cuts each: every message once and in order`,
    () =>
      Effect.gen(function* () {
        const onServer = makeLog()
        const onClient = makeLog()
        const sessions: Array<Session.Session<number>> = []
        const { gateway, port } = yield* makeGateway({
          onOpen: (session) => Effect.sync(() => void sessions.push(session)),
          onMessage: (number, session) => onServer.note(session.id, number)
        })
        const proxy = yield* TcpProxy.make(port)
        const all = yield* Effect.forEach(upTo(clients), () => makeClient(proxy.port), { concurrency: "unbounded" })
        const ready = yield* Effect.forEach(all, (client) => client.ready, { concurrency: "unbounded" })
        const receiving = yield* Effect.forEach(all, (client, at) =>
          Effect.fork(Stream.runForEach(client.messages, (number) => onClient.note(ready[at]?.session ?? "", number)))
        )

        // Looked at now and then: so many looks are themselves what a slow machine is busy with.
        const whenAll = (what: string, condition: (info: Session.SessionInfo) => boolean) => {
          let met = 0
          const look = Effect.map(Effect.all(sessions.map(({ info }) => info)), (infos) => {
            met = infos.filter(condition).length
            return met === clients
          })
          return eventually(what, Effect.delay(look, "50 millis"), () => met + onServer.size() + onClient.size())
        }

        for (let round = 1; round <= cuts; round++) {
          const next = upTo(each).map((n) => (round - 1) * each + n)
          const sending = yield* Effect.fork(
            Effect.all([
              inParallel(all, (client) => Effect.forEach(next, client.send)),
              inParallel(sessions, (session) => Effect.forEach(next, (number) => session.send(number)))
            ])
          )
          yield* proxy.cut
          yield* whenAll(
            `every session is back after cut ${round}`,
            (info) => info.generation > round && info.connection !== undefined
          )
          yield* Fiber.join(sending)
        }

        yield* whenAll(
          "everything has arrived and is acknowledged",
          (info) => info.unacknowledged.messages === 0 && onServer.of(info.id).length >= cuts * each
        )
        const statuses = yield* Effect.forEach(all, (client) => client.status)
        yield* inParallel(all, (client) => client.close)
        yield* Fiber.joinAll(receiving)

        assert.strictEqual(new Set(ready.map(({ session }) => session)).size, clients)
        for (const [at, { session }] of ready.entries()) {
          const status = statuses[at]
          assert.strictEqual(status?._tag === "Ready" ? status.session : status?._tag, session)
          assert.deepStrictEqual(onServer.of(session), upTo(cuts * each))
          assert.deepStrictEqual(onClient.of(session), upTo(cuts * each))
        }
        assert.isAtLeast((yield* proxy.stats).cut, clients * cuts)
        // A client that gave up waiting for its first welcome, on a busy machine, has left a session that it never knew.
        assert.strictEqual((yield* gateway.stats).sessions, sessions.length - clients)
      }),
    limit
  )
})
