import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Option, Stream } from "effect"
import type { Session } from "holdfast"
import { WebSocket } from "ws"
import { eventually, lateness } from "../support/patience.js"
import * as Program from "./program.js"
import { makeClient, makeGateway } from "./support.js"
import * as TcpProxy from "./tcpProxy.js"

const interval = 300
const deadline = 2000
const timing = { heartbeatInterval: interval, readDeadline: deadline }
/** What a machine may be late besides what this process's own timers have been: a deadline that runs twice is caught. */
const slack = 1000

/** A client that is Ready through a proxy. */
const connected = Effect.gen(function* () {
  const opening = yield* Deferred.make<Session.Session<number>>()
  const { gateway, port } = yield* makeGateway({
    ...timing,
    onOpen: (session) => Deferred.succeed(opening, session)
  })
  const proxy = yield* TcpProxy.make(port)
  const client = yield* makeClient(proxy.port, timing)
  const session = yield* Deferred.await(opening)
  yield* client.ready
  return { client, gateway, late: yield* lateness, proxy, session }
})

type Connected = Effect.Effect.Success<typeof connected>

const now = Clock.currentTimeMillis

/** When the client knew, and why. */
const clientFinds = ({ client }: Connected) =>
  client.changes.pipe(
    Stream.filterMap((status) => (status._tag === "Waiting" ? Option.some(status.reason) : Option.none())),
    Stream.runHead,
    Effect.flatten,
    Effect.flatMap((reason) => Effect.map(now, (at) => ({ at, reason })))
  )

/** When the gateway knew. */
const gatewayFinds = ({ gateway, session }: Connected) =>
  eventually(
    "the gateway has found the silent client",
    Effect.map(Effect.all([session.info, gateway.stats]), ([info, stats]) => {
      return info.connection === undefined && stats.connections === 0
    })
  ).pipe(Effect.zipRight(now))

/** The last activity was at the silence or at most one heartbeat before it. */
const assertAtDeadline = ({ late }: Connected, silent: number, found: number) => {
  assert.isAtLeast(found - silent, deadline - interval - slack / 2 - 2 * late())
  assert.isAtMost(found - silent, deadline + slack + 4 * late())
}

describe("a silent peer is found at the deadline", () => {
  it.scopedLive("by both ends", () =>
    Effect.gen(function* () {
      const all = yield* connected
      assert.strictEqual((yield* all.gateway.stats).connections, 1)
      yield* all.proxy.silence("up", "down")
      const silent = yield* now
      const [client, gateway] = yield* Effect.all([clientFinds(all), gatewayFinds(all)], { concurrency: 2 })
      assert.strictEqual(client.reason._tag, "ReadDeadlineExceeded")
      assertAtDeadline(all, silent, client.at)
      assertAtDeadline(all, silent, gateway)
      // The session outlives it.
      yield* all.proxy.restore
      const { session, start } = yield* all.client.ready
      assert.deepStrictEqual(start, { _tag: "Resumed" })
      assert.strictEqual(session, all.session.id)
    })
  )

  it.scopedLive("by the one that no longer hears, which tells the other", () =>
    Effect.gen(function* () {
      const all = yield* connected
      yield* all.proxy.silence("up")
      const silent = yield* now
      const [client, gateway] = yield* Effect.all([clientFinds(all), gatewayFinds(all)], { concurrency: 2 })
      assert.include(["ClosedByPeer", "ConnectionLost"], client.reason._tag)
      assertAtDeadline(all, silent, client.at)
      assertAtDeadline(all, silent, gateway)
    })
  )
})

/** A client that pings all the time, whatever becomes of the gateway; it judges nobody. */
const pinging = (url: string) =>
  Effect.gen(function* () {
    const closed: Array<string> = []
    let pongs = 0
    const ws = new WebSocket(url, ["holdfast.v1.json"])
    yield* Effect.addFinalizer(() => Effect.sync(() => ws.terminate()))
    ws.on("error", (error) => closed.push(error.message))
    ws.on("close", (code, reason) => closed.push(`${code} ${reason.toString()}`))
    ws.on("pong", () => void pongs++)
    yield* Effect.async<void>((resume) => void ws.once("open", () => resume(Effect.void)))
    ws.send('{"type":"hello"}')
    yield* Effect.async<void>((resume) => void ws.once("message", () => resume(Effect.void)))
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.zipRight(
          Effect.sync(() => ws.ping()),
          Effect.sleep(interval)
        )
      )
    )
    return { closed, pongs: () => pongs }
  })

describe("a gateway that was held up for longer than the deadline", () => {
  it.scopedLive("reads what has come meanwhile before it judges", () =>
    Effect.gen(function* () {
      const gateway = yield* Program.gateway({
        HOLDFAST_HEARTBEAT_INTERVAL: `${interval} millis`,
        HOLDFAST_READ_DEADLINE: `${deadline} millis`
      })
      const client = yield* pinging(gateway.url)
      yield* gateway.signal("SIGSTOP")
      yield* Effect.sleep(3 * deadline)
      const before = client.pongs()
      yield* gateway.signal("SIGCONT")
      yield* eventually(
        "the gateway answers again, or has dropped the client",
        Effect.sync(() => client.closed.length > 0 || client.pongs() > before + 5)
      )
      assert.deepStrictEqual(client.closed, [])
    })
  )
})
