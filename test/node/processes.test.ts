import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Option, Stream } from "effect"
import { limit } from "../support/patience.js"
import * as Program from "./program.js"
import { eventually, makeClient, makeGateway } from "./support.js"

/** The seconds in the client's lines on waiting. */
const waits = ({ out }: Program.Program) =>
  out.flatMap((line) => /waiting ([\d.]+) s/.exec(line)?.slice(1).map(Number) ?? [])

const getJson = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  })

describe("the gateway as a process", () => {
  it.scopedLive("prints one line with its address, and answers GET /healthz on the same port", () =>
    Effect.gen(function* () {
      const gateway = yield* Program.gateway()
      const client = yield* makeClient(gateway.port)
      yield* client.ready
      const { body, status } = yield* getJson(`http://127.0.0.1:${gateway.port}/healthz`)
      assert.strictEqual(status, 200)
      assert.strictEqual(body.connections, 1)
      assert.strictEqual(body.sessions, 1)
      assert.isAbove(Number(body.uptime), 0)
      assert.strictEqual(gateway.out.length, 1)
      assert.deepStrictEqual(gateway.errors, [])
    })
  )

  it.scopedLive("drains on SIGTERM with clients connected, and exits 0 in under 10 s", () =>
    Effect.gen(function* () {
      const gateway = yield* Program.gateway()
      const clients = yield* Effect.all([makeClient(gateway.port), makeClient(gateway.port)])
      const drained = yield* Effect.forEach(clients, (client) =>
        Effect.zipRight(client.ready, Effect.fork(Stream.runHead(client.events)))
      )
      const [duration, code] = yield* Effect.timed(Effect.zipRight(gateway.signal("SIGTERM"), gateway.exit))
      assert.strictEqual(code, 0)
      assert.isBelow(Duration.toSeconds(duration), 10)
      for (const event of yield* Fiber.joinAll(drained)) {
        assert.strictEqual(Option.getOrThrow(event)._tag, "GoingAway")
      }
    })
  )

  it.scopedLive("is reached by a SIGTERM to npm start", () =>
    Effect.gen(function* () {
      const npm = yield* Program.npmStart({ PORT: "0" })
      const url = /ws:\S+/.exec(yield* npm.line(/ws:/))?.[0] ?? ""
      const client = yield* makeClient(Number(new URL(url).port))
      yield* client.ready
      const events = yield* Effect.fork(Stream.runHead(client.events))
      yield* npm.signal("SIGTERM")
      assert.strictEqual(yield* npm.exit, 0)
      assert.strictEqual(Option.getOrThrow(yield* Fiber.join(events))._tag, "GoingAway")
    })
  )

  it.scopedLive("says in one line that the port is in use, and exits 1", () =>
    Effect.gen(function* () {
      const { port } = yield* makeGateway()
      const second = yield* Program.start("gateway", { env: { PORT: `${port}` } })
      assert.strictEqual(yield* second.exit, 1)
      assert.strictEqual(second.errors.length, 1)
      assert.include(second.errors[0], `127.0.0.1:${port}`)
      assert.include(second.errors[0], "in use")
      assert.deepStrictEqual(second.out, [])
    })
  )

  it.scopedLive("says in one line which option is wrong, its value and the rule, and exits 1", () =>
    Effect.gen(function* () {
      const gateway = yield* Program.start("gateway", {
        env: { PORT: "0", HOLDFAST_READ_DEADLINE: "10 seconds", HOLDFAST_HEARTBEAT_INTERVAL: "30 seconds" }
      })
      assert.strictEqual(yield* gateway.exit, 1)
      assert.strictEqual(gateway.errors.length, 1)
      assert.match(gateway.errors[0] ?? "", /readDeadline = 10000 ms: longer than heartbeatInterval \(30000 ms\)/)
      assert.deepStrictEqual(gateway.out, [])
    })
  )
})

describe.concurrent("the client as a process", () => {
  it.scopedLive("ends cleanly on Ctrl-C and at the end of its input, with what it said delivered", () =>
    Effect.gen(function* () {
      const gateway = yield* Program.gateway()
      const both = yield* Effect.all([Program.client(gateway.url), Program.client(gateway.url)], { concurrency: 2 })
      yield* Effect.forEach(both, (client) => client.line(/ready/))
      const [first, second] = both
      yield* first.type("last words")
      yield* first.endInput
      assert.strictEqual(yield* first.exit, 0)
      assert.match(first.out.at(-1) ?? "", /ended: closed/)
      yield* second.line(/last words/)
      yield* second.signal("SIGINT")
      // 130 is what a shell makes of an end by SIGINT.
      assert.include([0, 130], yield* second.exit)
      assert.deepStrictEqual([...first.errors, ...second.errors], [])
      // They said bye: their sessions are gone, not waiting.
      const { body } = yield* getJson(`http://127.0.0.1:${gateway.port}/healthz`)
      assert.strictEqual(body.sessions, 0)
    })
  )

  it.scopedLive(
    "finds a gateway that hangs dead at its deadline, and resumes when it goes on",
    () =>
      Effect.gen(function* () {
        const gateway = yield* Program.gateway()
        const env = { HOLDFAST_HEARTBEAT_INTERVAL: "300 millis", HOLDFAST_READ_DEADLINE: "2 seconds" }
        const client = yield* Program.client(gateway.url, env)
        yield* client.line(/ready/)
        const [duration] = yield* Effect.timed(
          Effect.zipRight(gateway.signal("SIGSTOP"), client.line(/waiting .*nothing received for 2000 ms/))
        )
        // The last activity was at most a heartbeat before.
        assert.isAtLeast(Duration.toMillis(duration), 1400)
        // Not after the default of a minute: it is to the millisecond under TestClock.
        assert.isAtMost(Duration.toMillis(duration), 10_000)
        yield* gateway.signal("SIGCONT")
        yield* client.line(/ready: resumed/)
      }),
    limit
  )

  it.scopedLive(
    "waits 1, 2, 4 s for a gateway that was killed, and says why its session is lost",
    () =>
      Effect.gen(function* () {
        const first = yield* Program.gateway()
        const client = yield* Program.client(first.url)
        yield* client.line(/ready: a new session/)
        yield* first.signal("SIGKILL")
        yield* eventually(
          "the client waits for the third time",
          Effect.sync(() => waits(client).length === 3)
        )
        yield* Program.gateway({ PORT: `${first.port}` })
        yield* client.line(/ready: a new session, the old one is lost \(unknown\)/)
        yield* client.line(/session lost: unknown/)
        for (const [at, seconds] of [1, 2, 4].entries()) {
          assert.approximately(waits(client)[at] ?? 0, seconds, 0.2 * seconds + 0.05)
        }
      }),
    limit
  )
})
