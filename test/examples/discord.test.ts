/** The example of a bot's gateway, against a small server of Discord's shape. */
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { NodeDialer } from "holdfast/node"
import { type WebSocket, WebSocketServer } from "ws"
import { keep } from "../../examples/servers/discord.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, limit } from "../support/patience.js"
import { cuts, throughFaults, timing } from "./throughFaults.js"

/** A session: all its events, which outlive its connections and the server. */
interface Session {
  readonly id: string
  last: number
}

class DiscordServer {
  readonly sessions = new Map<string, Session>()
  identified = 0
  resumed = 0
  heartbeats = 0
  private readonly server: WebSocketServer

  constructor(port: number, before?: DiscordServer) {
    for (const [id, session] of before?.sessions ?? []) this.sessions.set(id, session)
    this.server = new WebSocketServer({ host: "127.0.0.1", port })
    this.server.on("connection", (socket) => this.connected(socket))
  }

  get port(): number {
    return (this.server.address() as { port: number }).port
  }

  private connected(socket: WebSocket): void {
    const say = (message: object) => socket.send(JSON.stringify(message))
    let session: Session | undefined
    say({ op: 10, d: { heartbeat_interval: 500 } })
    // An event every 10 ms, whose sequence number is what it says.
    const timer = setInterval(() => {
      if (session !== undefined) say({ op: 0, t: "COUNT", s: ++session.last, d: session.last })
    }, 10)
    socket.on("close", () => clearInterval(timer))
    socket.on("message", (data) => {
      const { d, op } = JSON.parse(String(data))
      if (op === 1) {
        this.heartbeats++
        return say({ op: 11 })
      }
      if (d.token !== "ann") return socket.close(4004, "Authentication failed.")
      if (op === 2) {
        this.identified++
        session = { id: `session ${this.identified}`, last: 1 }
        this.sessions.set(session.id, session)
        return say({ op: 0, t: "READY", s: 1, d: { session_id: session.id } })
      }
      session = this.sessions.get(d.session_id)
      if (session === undefined) return say({ op: 9, d: false })
      this.resumed++
      for (let s = d.seq + 1; s <= session.last; s++) say({ op: 0, t: "COUNT", s, d: s })
      say({ op: 0, t: "RESUMED", s: ++session.last, d: session.last })
    })
  }

  readonly listening = Effect.async<void>((resume) => {
    if (this.server.address() !== null) return resume(Effect.void)
    this.server.on("listening", () => resume(Effect.void))
  })

  readonly stop = Effect.async<void>((resume) => {
    for (const socket of this.server.clients) socket.terminate()
    this.server.close(() => resume(Effect.void))
  })
}

const running = Effect.gen(function* () {
  let server = new DiscordServer(0)
  yield* server.listening
  yield* Effect.addFinalizer(() => server.stop)
  const again = (keepsSessions: boolean) =>
    Effect.gen(function* () {
      const { port } = server
      yield* server.stop
      server = new DiscordServer(port, keepsSessions ? server : undefined)
      yield* server.listening
    })
  return { current: () => server, again }
})

it.scopedLive(
  `Discord's shape: resumes after ${cuts} cuts, a silence and a restart, and each event comes once and in order`,
  () =>
    Effect.gen(function* () {
      const { again, current } = yield* running
      const proxy = yield* TcpProxy.make(current().port)
      const kept = yield* keep({ ...timing, url: `ws://127.0.0.1:${proxy.port}/`, token: "ann" })
      const got: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(kept.events, ({ s, t }) => Effect.sync(() => t !== "READY" && got.push(Number(s))))
      )
      const first = current()
      const waits = yield* throughFaults({ kept, proxy, received: () => got.length, restart: again(true) })
      assert.isAtLeast(waits.length, cuts + 2)
      for (const { delay, waited } of waits) assert.isAtLeast(waited, delay - 1)
      assert.deepStrictEqual(
        got,
        got.map((_, n) => n + 2)
      )
      assert.deepStrictEqual([first.identified, current().identified], [1, 0])
      assert.isAtLeast(first.resumed, cuts + 1)
      assert.isAtLeast(current().resumed, 1)
      assert.isAtLeast(first.heartbeats, 1)

      // A session that the server does not know any more: it identifies anew.
      yield* again(false)
      yield* eventually(
        "it has begun a new session",
        Effect.sync(() => current().identified === 1)
      )
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)

it.scopedLive(
  "Discord's shape: a close code that must not be retried is not",
  () =>
    Effect.gen(function* () {
      const { current } = yield* running
      const kept = yield* keep({ url: `ws://127.0.0.1:${current().port}/`, token: "eve" })
      const reason = yield* kept.ended
      assert.deepInclude(reason._tag === "Stopped" ? reason.end : reason, { _tag: "ClosedByPeer", code: 4004 })
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)
