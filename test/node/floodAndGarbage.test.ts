/**
 * A client that floods and one that sends garbage, which come back whenever
 * they are closed, beside clients that send and wait for the echo.
 *
 * Server, attackers and meter are a process each, on as few as two cores. So
 * that it is the server that is measured, the attackers wait a little between
 * attempts: they sit beside it, and would otherwise come back faster than any
 * remote client, whose connection, upgrade, hello and close take four round
 * trips, and take the processor from the server and the meter. 50 ms for these
 * is a client nearby. `FLOOD_PAUSE=0` measures without.
 *
 * Windows without and with the attack alternate, so that whatever else the
 * machine does falls on both. What an attack costs is there each time, and
 * noise is not: the best window of each kind counts, of as many rounds as that
 * takes, eight at the most.
 */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Fiber, Stream } from "effect"
import { limit } from "../support/patience.js"
import { documented, type Plan, type Tally } from "./attack.js"
import * as Child from "./child.js"
import { eventually, makeClient, upTo } from "./support.js"

const seconds = Number(process.env.FLOOD_SECONDS ?? 5)
const pause = Number(process.env.FLOOD_PAUSE ?? 50)
const clients = 20
/** With the attack, and as many without. */
const windows = 4
/**
 * What may come on top of twice the quiet figure, in milliseconds: while the server looks at the messages of a flood that it
 * lets through, others wait, and on a quiet machine twice the quiet figure is less than that.
 */
const burst = 3

const now = () => performance.now()

interface Delays {
  readonly p50: number
  readonly p99: number
}

const percentile = (values: ReadonlyArray<number>, part: number) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN
}

/** Clients that send, now one and now another: how long each echo takes. */
const makeMeter = (port: number) =>
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
    const measure = (millis: number): Effect.Effect<Delays> =>
      Effect.gen(function* () {
        delays = []
        let sent = 0
        for (const end = now() + millis; now() < end; ) {
          for (const client of all) {
            yield* Effect.orDie(client.send(now()))
            if (++sent % 5 === 0) yield* Effect.sleep("4 millis")
          }
        }
        yield* eventually(
          "all echoes have come",
          Effect.sync(() => delays.length === sent)
        )
        return { p50: percentile(delays, 0.5), p99: percentile(delays, 0.99) }
      })
    return { all, measure }
  })

const shown = (all: ReadonlyArray<Delays>) => all.map(({ p50, p99 }) => `${p50.toFixed(1)}/${p99.toFixed(1)}`).join(" ")

const best = (all: ReadonlyArray<Delays>) => Math.min(...all.map(({ p99 }) => p99))

describe("a flood, and garbage, from clients that come back at once", () => {
  it.scopedLive(
    "end with the documented codes, and leave the others' echo time within twice the quiet one",
    () =>
      Effect.gen(function* () {
        const server = yield* Child.start("attack.server.ts")
        const port = yield* server.ask<number>("start")
        const attackers = yield* Child.start("attack.main.ts")
        const { all, measure } = yield* makeMeter(port)
        const millis = (seconds * 1000) / windows
        const cpu = server.ask<number>("cpu")
        yield* measure(1000) // the first is the compiler's

        const quiet: Array<Delays> = []
        const attacked: Array<Delays> = []
        const round = Effect.gen(function* () {
          const spent = { quiet: 0, attacked: 0 }
          let tally: Tally = {}
          for (let window = 0; window < windows; window++) {
            const before = yield* cpu
            quiet.push(yield* measure(millis))
            const between = yield* cpu
            const attack = yield* Effect.fork(attackers.ask<Tally>("attack", { port, pause, millis } satisfies Plan))
            attacked.push(yield* measure(millis))
            tally = yield* Fiber.join(attack)
            spent.quiet += between - before
            spent.attacked += (yield* cpu) - between
          }
          const share = (micros: number) => `${((100 * micros) / (seconds * 1e6)).toFixed(0)}%`
          yield* Console.log(
            `${seconds} s of attack: p50/p99 of the echo in ms ${shown(quiet.slice(-windows))}, attacked ${shown(attacked.slice(-windows))}; ` +
              `the server's processor ${share(spent.quiet)}, attacked ${share(spent.attacked)}; ${JSON.stringify(tally)}`
          )
          return { isOver: best(attacked) > 2 * best(quiet) + burst, tally }
        })

        let { isOver, tally } = yield* round
        for (let again = 0; again < 7 && isOver; again++) ({ isOver, tally } = yield* round)
        assert.isFalse(isOver, "the others' p99 is within twice the quiet figure")
        // On a slow machine it takes longer until each has been tried.
        const kinds = () => Object.keys(tally).length
        yield* eventually(
          "every kind was tried",
          Effect.gen(function* () {
            if (kinds() >= Object.keys(documented).length) return true
            tally = yield* attackers.ask<Tally>("attack", { port, pause, millis } satisfies Plan)
            return false
          }),
          kinds
        )
        assert.sameMembers(
          Object.keys(tally),
          Object.entries(documented).map(([kind, code]) => `${kind}: ${code}`)
        )

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
