/**
 * Clients that flood and clients that send garbage, which come back whenever they are closed, beside clients that send and
 * wait for the echo.
 *
 * Others wait for as long as the server looks at what an attacker sends: that is the processor time which an attempt takes of
 * it, beside that of a good client, in one run. How long an echo takes besides is what the machine has to do at that moment, and
 * no law: it is printed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Fiber, Stream } from "effect"
import { limit } from "../support/patience.js"
import { documented, good, type Kind, type Plan, type Tally } from "./attack.js"
import * as Child from "./child.js"
import { eventually, makeClient, upTo } from "./support.js"

const clients = 20
/** Of each kind, of which the first are the compiler's. */
const attempts = Number(process.env.FLOOD_ATTEMPTS ?? 40)
const warmUp = 10
const rounds = 3
/**
 * Times the processor time of a good client's connection: a flood is read as far as its rate lets it through, up to 328
 * messages, in the windows that the network may have held up.
 */
const most = 4

const now = () => performance.now()

const percentile = (values: ReadonlyArray<number>, part: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(part * (values.length - 1))] ?? Number.NaN

/** Clients that send, now one and now another, for as long as the scope is open: how long each echo took. */
const echoing = (port: number) =>
  Effect.gen(function* () {
    let delays: Array<number> = []
    const all = yield* Effect.forEach(upTo(clients), () =>
      Effect.gen(function* () {
        const client = yield* makeClient(port)
        yield* client.ready
        yield* Effect.forkScoped(
          Stream.runForEach(client.messages, (sent) => Effect.sync(() => void delays.push(now() - sent)))
        )
        return client
      })
    )
    const turn = Effect.forEach(all, (client) => Effect.zipRight(client.send(now()), Effect.sleep("1 millis")), {
      discard: true
    })
    /** Sends while the effect runs, and waits for all echoes: how long they took. */
    const during = <A>(effect: Effect.Effect<A>) =>
      Effect.gen(function* () {
        delays = []
        let sent = 0
        const more = Effect.suspend(() => {
          sent += clients
          return Effect.uninterruptible(turn)
        })
        const sending = yield* Effect.fork(Effect.forever(more))
        const result = yield* effect
        yield* Fiber.interrupt(sending)
        yield* eventually(
          "all echoes have come",
          Effect.sync(() => delays.length >= sent)
        )
        return [result, `${percentile(delays, 0.5).toFixed(1)}/${percentile(delays, 0.99).toFixed(1)} ms`] as const
      })
    return { all, during }
  })

describe("a flood, and garbage, from clients that come back at once", () => {
  it.scopedLive(
    "end with the documented codes, cost the server no more than a few good clients, and touch nobody else",
    () =>
      Effect.gen(function* () {
        const server = yield* Child.start("attackServer.main.ts")
        const port = yield* server.ask<number>("start")
        const attackers = yield* Child.start("attack.main.ts")
        const cpu = server.ask<number>("cpu")
        const kinds = [good, ...Object.keys(documented)] as ReadonlyArray<Kind | typeof good>
        const attack = (kind: Kind | typeof good, attempts: number) =>
          attackers.ask<Tally>("attack", { port, kind, attempts } satisfies Plan)

        /** Microseconds of the server's processor for each attempt, of the cheapest round: what else there is to do only adds. */
        const costs = new Map<string, number>()
        const codes: Record<string, number> = {}
        yield* Effect.forEach(kinds, (kind) => attack(kind, warmUp), { discard: true })
        for (let round = 0; round < rounds; round++) {
          for (const kind of kinds) {
            const before = yield* cpu
            Object.assign(codes, yield* attack(kind, attempts))
            const cost = ((yield* cpu) - before) / attempts
            costs.set(kind, Math.min(costs.get(kind) ?? Number.POSITIVE_INFINITY, cost))
          }
        }
        assert.sameMembers(
          Object.keys(codes),
          [[good, 1000], ...Object.entries(documented)].map(([kind, code]) => `${kind}: ${code}`)
        )
        const base = costs.get(good) ?? Number.NaN
        const factors = [...costs].map(([kind, cost]) => [kind, cost / base] as const)
        yield* Console.log(
          `the server's processor for an attempt: ${base.toFixed(0)} µs of a good client's; ` +
            factors.map(([kind, factor]) => `${kind} ×${factor.toFixed(1)}`).join(", ")
        )
        for (const [kind, factor] of factors) assert.isBelow(factor, most, kind)

        const { all, during } = yield* echoing(port)
        const [, quiet] = yield* during(Effect.sleep("1 second"))
        const [, attacked] = yield* during(Effect.forEach(kinds, (kind) => attack(kind, warmUp), { discard: true }))
        yield* Console.log(`p50/p99 of the echo: ${quiet}, attacked ${attacked}`)
        // The others were not touched, and nothing of the attackers is left.
        for (const client of all) {
          const status = yield* client.status
          assert.strictEqual(status._tag === "Ready" ? status.generation : status._tag, 1)
        }
        yield* eventually(
          `${clients} sessions and connections are left`,
          Effect.map(
            server.ask<{ readonly connections: number; readonly sessions: number }>("stats"),
            (stats) => stats.connections === clients && stats.sessions === clients
          )
        )
      }),
    limit
  )
})
