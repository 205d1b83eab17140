import { assert, describe, it } from "@effect/vitest"
import { Clock, Console, Effect, Exit, Layer, Scope } from "effect"
import { Gateway } from "holdfast"
import { limit } from "../support/patience.js"
import * as Child from "./child.js"
import { type Plan, type Report, Talk } from "./rollingRestart.js"
import { eventually, seeded, upTo } from "./support.js"
import { makeGateway, shared } from "./topics.js"

const clients = Number(process.env.ROLLING_RESTART_CLIENTS ?? 500)
const spread = 4000
const buckets = 10
/** Of the delays that the clients were given, a tenth is in each tenth of the spread but for chance: 20% are out of its reach. */
const mostDelays = 0.2
/** Of the clients that are back: a machine that stalls lets many come at once. Without delays all do. */
const mostBack = 0.7

/** How many fall in each tenth of the spread, and in as long times after it. */
const histogram = (times: ReadonlyArray<number>) => {
  const counts = Array.from({ length: buckets }, () => 0)
  for (const time of times) {
    const at = Math.max(0, Math.floor((time / spread) * buckets))
    while (counts.length <= at) counts.push(0)
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}

const drawn = (counts: ReadonlyArray<number>) =>
  counts
    .map((count, at) => {
      const from = (at * spread) / buckets
      const range = `${from}–${from + spread / buckets} ms`
      return `${range.padStart(14)} ${String(count).padStart(4)} ${"#".repeat(Math.ceil(count / 4))}`
    })
    .join("\n")

/** Numbers by session: what both gateways have handled. */
const makeLog = () => {
  const logs = new Map<string, Array<number>>()
  return {
    of: (session: string) => logs.get(session) ?? [],
    note: (session: string, number: number) => logs.set(session, [...(logs.get(session) ?? []), number])
  }
}

describe("a rolling restart", () => {
  it.scopedLive(
    `of a gateway with ${clients} clients is a change of status to them, and nothing else`,
    () =>
      seeded((random) =>
        Effect.gen(function* () {
          const context = yield* Layer.build(shared)
          const handled = makeLog()
          const gateway = makeGateway({
            topics: [
              Gateway.topic(Talk, {
                subscribe: Gateway.allow,
                publish: Gateway.allow,
                history: { messages: 10_000 }
              })
            ],
            onMessage: (number, session) => {
              handled.note(session.id, number)
              return session.send(number)
            },
            drainSpread: spread,
            // A machine that is slow is no error.
            drainTimeout: "30 seconds",
            closeTimeout: "30 seconds",
            helloTimeout: "1 minute"
          }).pipe(Effect.provide(context))
          const first = yield* Scope.make()
          const a = yield* Scope.extend(gateway, first)
          const b = yield* gateway
          const child = yield* Child.start("rollingRestart.main.ts")
          const seed = Math.floor(1e9 * random())
          yield* child.ask("start", { port: a.port, clients, seed } satisfies Plan)
          yield* eventually(
            "all have subscribed",
            Effect.map(
              Effect.flatMap(a.gateway.sessions, (sessions) => Effect.all(sessions.map(({ info }) => info))),
              (infos) => infos.filter(({ subscriptions }) => subscriptions.length === 1).length === clients
            )
          )
          yield* child.ask("talk")
          yield* Effect.sleep("1500 millis")

          yield* child.ask("redirect", b.port)
          const restart = yield* Clock.currentTimeMillis
          yield* Scope.close(first, Exit.void)
          const drained = (yield* Clock.currentTimeMillis) - restart
          yield* child.ask("back")
          yield* Effect.sleep("500 millis")
          yield* child.ask("quiet")
          const { publications } = yield* b.gateway.history(Talk.at(), { limit: 10_000 })
          const log = publications.map(({ value }) => value)
          const reports = yield* child.ask<ReadonlyArray<Report>>("report", log)

          // The delays begin when the connections are closed, which is after the last handler.
          const closed = Math.min(...reports.map(({ waitingAt }) => waitingAt[0] ?? restart))
          const counts = histogram(reports.map(({ readyAt }) => (readyAt[1] ?? 0) - closed))
          const sum = (of: (report: Report) => number) => reports.reduce((total, report) => total + of(report), 0)
          yield* Console.log(
            `rolling restart: ${clients} clients, drained in ${drained} ms; ${sum(({ delivered }) => delivered)} delivered, ` +
              `${log.length} published to ${clients} subscribers; back after the close of the connections:\n${drawn(counts)}`
          )
          assert.deepStrictEqual(reports.flatMap(({ faults }) => faults).slice(0, 20), [])
          for (const count of histogram(reports.map(({ delays }) => delays[0] ?? 0))) {
            assert.isAtMost(count, clients * mostDelays)
          }
          for (const count of counts) assert.isAtMost(count, clients * mostBack)
          assert.strictEqual(
            log.length,
            sum(({ published }) => published)
          )
          assert.isAbove(log.length, 0)
          for (const [at, { delivered, published, readyAt, session }] of reports.entries()) {
            assert.strictEqual(readyAt.length, 2, "one reconnect")
            assert.deepStrictEqual(handled.of(session), upTo(delivered))
            assert.deepStrictEqual(
              log.filter(({ from }) => from === at + 1).map(({ n }) => n),
              upTo(published)
            )
          }
        })
      ),
    limit
  )
})
