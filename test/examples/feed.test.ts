/** The example of a price feed, against a small server that takes a token once. */
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { NodeDialer } from "holdfast/node"
import { WebSocketServer } from "ws"
import { follow } from "../../examples/servers/feed.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, limit } from "../support/patience.js"

it.scopedLive(
  "a feed: comes back with a fresh token, and with the subscriptions that came meanwhile",
  () =>
    Effect.gen(function* () {
      const tokens: Array<string | null> = []
      const asked: Array<Array<string>> = []
      const server: WebSocketServer = yield* Effect.acquireRelease(
        Effect.async<WebSocketServer>((resume) => {
          const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 })
          server.on("listening", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      server.on("connection", (socket, { url }) => {
        tokens.push(new URL(url ?? "", "ws://localhost").searchParams.get("token"))
        const mine: Array<string> = []
        asked.push(mine)
        socket.on("message", (data) => {
          const { op, symbol } = JSON.parse(String(data))
          if (op === "ping") return socket.send('{"op":"pong"}')
          mine.push(symbol)
          socket.send(JSON.stringify({ op: "price", symbol, price: 1 }))
        })
      })
      const { port } = server.address() as { port: number }
      const proxy = yield* TcpProxy.make(port)
      let issued = 0
      const feed = yield* follow(
        `ws://127.0.0.1:${proxy.port}/`,
        Effect.sync(() => `token ${++issued}`)
      )
      const got: Array<string | undefined> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.messages, ({ symbol }) => Effect.sync(() => got.push(symbol))))
      yield* feed.ready
      yield* feed.subscribe("EURUSD")
      yield* eventually(
        "the first price",
        Effect.sync(() => got.length === 1)
      )
      yield* proxy.cut
      yield* eventually(
        "it has noticed",
        Effect.map(feed.status, ({ _tag }) => _tag !== "Ready")
      )
      yield* feed.subscribe("EURCHF")
      yield* eventually(
        "both again",
        Effect.sync(() => got.length === 3)
      )
      assert.deepStrictEqual(got, ["EURUSD", "EURUSD", "EURCHF"])
      assert.deepStrictEqual(asked, [["EURUSD"], ["EURUSD", "EURCHF"]])
      assert.deepStrictEqual(tokens, ["token 1", "token 2"])
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)
