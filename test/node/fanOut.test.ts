import { assert, describe, it } from "@effect/vitest"
import { Console, Context, Duration, Effect, Layer } from "effect"
import { Gateway, SessionStore } from "holdfast"
import type { Plan, Report } from "../programs/fanOut.main.js"
import { limit } from "../support/patience.js"
import * as Child from "./child.js"
import { seeded, upTo } from "./support.js"
import { Counts, countingBroker, makeGateway } from "./topics.js"

const subscribers = Number(process.env.FAN_OUT_SUBSCRIBERS ?? 250)
const publications = Number(process.env.FAN_OUT_PUBLICATIONS ?? 1000)
const cuts = 5
const burst = 20
const ahead = 60
/** Of a publication of a number, at the least; what else a connection is sent is not counted. */
const frameBytes = 80

describe("fan-out", () => {
  it.scopedLive(
    `${subscribers} subscribers, cut ${cuts} times each, have ${publications} publications once and in order`,
    () =>
      seeded((random) =>
        Effect.gen(function* () {
          const { context, counted } = yield* countingBroker
          const store = yield* Layer.build(SessionStore.layerMemory())
          const { gateway, port } = yield* makeGateway({
            topics: [
              Gateway.topic(Counts, {
                subscribe: Gateway.allow,
                history: { messages: publications, age: "10 minutes" }
              })
            ]
          }).pipe(Effect.provide(Context.merge(context, store)))
          const plan: Plan = {
            port,
            seed: Math.floor(1e9 * random()),
            subscribers,
            publications,
            cuts,
            bytes: frameBytes * publications
          }
          const child = yield* Child.start("fanOut.main.ts")
          yield* child.ask("start", plan)
          // In bursts, and so far ahead of the subscribers that whoever is cut has something to recover.
          const publishing = Effect.forEach(
            upTo(publications / burst),
            (turn) =>
              Effect.forEach(upTo(burst), (n) => gateway.publish(Counts.at(), (turn - 1) * burst + n), {
                discard: true
              }).pipe(Effect.zipRight(child.ask("half", turn * burst - ahead))),
            { discard: true }
          )
          const [published] = yield* Effect.timed(publishing)
          const [arrived, report] = yield* Effect.timed(child.ask<Report>("report", plan))
          yield* Console.log(
            `fan-out: ${subscribers} subscribers, ${publications} publications: published in ${Duration.format(published)}, ` +
              `everywhere ${Duration.format(arrived)} later; ${report.cut} cuts, ${report.reconnects} reconnects, ` +
              `${counted.read} publications recovered`
          )
          assert.deepStrictEqual(report.faults, [])
          assert.strictEqual(report.cut, subscribers * cuts)
          assert.isAtLeast(report.reconnects, subscribers * 1)
          assert.isAbove(counted.read, 0)
        })
      ),
    limit
  )
})
