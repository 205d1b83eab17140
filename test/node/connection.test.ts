/** A connection to a plain WebSocket server, which knows nothing of Holdfast. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Stream } from "effect"
import { Connection } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type WebSocket, WebSocketServer } from "ws"
import { eventually } from "../support/patience.js"
import * as SlowProxy from "./slowProxy.js"

/** A server on a free port, and its sockets. */
const makeServer = (onConnection: (socket: WebSocket) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly server: WebSocketServer }>((resume) => {
      const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 })
      server.on("connection", onConnection)
      server.on("listening", () => {
        const { port } = server.address() as { port: number }
        resume(Effect.succeed({ url: `ws://127.0.0.1:${port}/`, server }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resume(Effect.void))
      })
  )

const echo = (socket: WebSocket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))

describe("Connection.dial", () => {
  it.scopedLive("sends and receives text and binary, in order", () =>
    Effect.gen(function* () {
      const { url } = yield* makeServer(echo)
      const connection = yield* Connection.dial(url)
      yield* connection.send("text")
      yield* connection.send(Uint8Array.of(1, 2, 3))
      const [text, binary] = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(connection.messages, 2)))
      assert.strictEqual(text, "text")
      assert.deepStrictEqual([...(binary as Uint8Array)], [1, 2, 3])
    }).pipe(Effect.provide(NodeDialer.layer))
  )

  it.scopedLive("loses nothing that the server sends in the packet of its handshake", () =>
    Effect.gen(function* () {
      const { url } = yield* makeServer((socket) => {
        for (let i = 0; i < 10; i++) socket.send(`${i}`)
      })
      const connection = yield* Connection.dial(url)
      yield* Effect.sleep("50 millis")
      const all = yield* Stream.runCollect(Stream.take(connection.messages, 10))
      assert.deepStrictEqual([...all].join(""), "0123456789")
    }).pipe(Effect.provide(NodeDialer.layer))
  )

  it.scopedLive("answers the pings of a server that reads slowly while a large message leaves", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { server, url } = yield* makeServer((socket) => {
        socket.on("pong", (payload) => seen.push(`pong ${payload}`))
        socket.on("message", () => seen.push("message"))
      })
      const proxy = yield* SlowProxy.make(Number(new URL(url).port), 4_000_000)
      const connection = yield* Connection.dial(`ws://127.0.0.1:${proxy.port}/`, { maxMessage: 16_000_000 })
      yield* connection.send(new Uint8Array(16_000_000))
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.zipRight(
            Effect.sync(() => {
              // The second comes before anything has left since the first: its pong waits until something has.
              for (const socket of server.clients) for (const payload of ["first", "second"]) socket.ping(payload)
            }),
            Effect.sleep("200 millis")
          )
        )
      )
      yield* eventually(
        "the message has arrived",
        Effect.sync(() => seen.includes("message"))
      )
      const before = seen.slice(0, seen.indexOf("message"))
      assert.includeMembers(before, ["pong first", "pong second"])
    }).pipe(Effect.provide(NodeDialer.layer))
  )

  it.scopedLive("goes on sending above a high-water mark that one turn of the event loop passes", () =>
    Effect.gen(function* () {
      const { url } = yield* makeServer(echo)
      const connection = yield* Connection.dial(url, { highWaterMark: 1000 })
      const sending = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 200 }, (_, i) => `${i}`.padEnd(600)),
          connection.send,
          { discard: true }
        )
      )
      const all = yield* Stream.runCollect(Stream.take(connection.messages, 200))
      yield* Fiber.join(sending)
      assert.deepStrictEqual(
        [...all].map(Number),
        Array.from({ length: 200 }, (_, i) => i)
      )
    }).pipe(Effect.provide(NodeDialer.layer))
  )

  it.scopedLive("pings, answers pings, and closes with a code", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { url } = yield* makeServer((socket) => {
        socket.ping("hello")
        socket.on("ping", () => seen.push("ping"))
        socket.on("pong", (payload) => {
          seen.push(`pong ${payload}`)
        })
        socket.on("close", (code, reason) => seen.push(`close ${code} ${reason}`))
      })
      const connection = yield* Connection.dial(url, { heartbeatInterval: 20, readDeadline: 1000 })
      yield* Effect.repeat(Effect.sleep(5), { until: () => seen.includes("ping") && seen.includes("pong hello") })
      yield* Effect.repeat(Effect.zipRight(Effect.sleep(5), connection.stats), {
        until: ({ roundTrip }) => roundTrip !== undefined
      })
      yield* connection.close(4000, "done")
      assert.strictEqual((yield* connection.ended)._tag, "ClosedLocally")
      yield* Effect.repeat(Effect.sleep(5), { until: () => seen.includes("close 4000 done") })
    }).pipe(Effect.provide(NodeDialer.layer))
  )

  it.scopedLive("fails with a typed error when nobody listens, and for what is no URL", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Connection.dial("ws://127.0.0.1:1/"))
      assert.strictEqual(refused._tag, "DialFailed")
      assert.include(refused.message, "ECONNREFUSED")
      assert.strictEqual((yield* Effect.flip(Connection.dial("not a url")))._tag, "DialFailed")
    }).pipe(Effect.provide(NodeDialer.layer))
  )
})
