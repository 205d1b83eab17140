/** The example of a price feed, against a small server that takes a token once. */
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { NodeDialer } from "holdfast/node"
import { follow } from "../../examples/servers/feed.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, limit } from "../support/patience.js"
import { feedServer } from "./feedServer.js"

it.scopedLive(
  "a feed: comes back with a fresh token, and with the subscriptions that came meanwhile",
  () =>
    Effect.gen(function* () {
      const { connections, port } = yield* feedServer()
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
      assert.deepStrictEqual(connections, [
        { token: "token 1", symbols: ["EURUSD"] },
        { token: "token 2", symbols: ["EURUSD", "EURCHF"] }
      ])
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)
