/** The example of a graphql-ws subscription, against graphql-ws's own server. */
import { createRequire } from "node:module"
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { useServer } from "graphql-ws/use/ws"
import { NodeDialer } from "holdfast/node"
import { WebSocketServer } from "ws"
import { keep } from "../../examples/servers/graphql.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { limit } from "../support/patience.js"
import { cuts, throughFaults, timing } from "./throughFaults.js"

// The very module that graphql-ws loads in Node: Vite would take its other build, and graphql refuses to be there twice.
const { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema } = createRequire(import.meta.url)(
  "graphql"
) as typeof import("graphql")

/** Counts up for each subscriber, from 1. */
async function* numbers() {
  for (let n = 1; ; n++) {
    yield { numbers: n }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const int = new GraphQLNonNull(GraphQLInt)
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: "Query", fields: { one: { type: int } } }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: { numbers: { type: int, subscribe: numbers } }
  })
})

const start = (port: number) =>
  Effect.async<WebSocketServer>((resume) => {
    const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port })
    useServer({ schema, onConnect: ({ connectionParams }) => connectionParams?.["token"] === "ann" }, server)
    server.on("listening", () => resume(Effect.succeed(server)))
  })

const stop = (server: WebSocketServer) =>
  Effect.async<void>((resume) => {
    for (const socket of server.clients) socket.terminate()
    server.close(() => resume(Effect.void))
  })

const running = Effect.gen(function* () {
  let server = yield* start(0)
  const { port } = server.address() as { port: number }
  yield* Effect.addFinalizer(() => stop(server))
  const restart = Effect.flatMap(
    Effect.suspend(() => Effect.zipRight(stop(server), start(port))),
    (again) =>
      Effect.sync(() => {
        server = again
      })
  )
  return { port, restart }
})

it.scopedLive(
  `graphql-ws: is subscribed again after ${cuts} cuts, a silence and a restart, and loses nothing of a live connection`,
  () =>
    Effect.gen(function* () {
      const { port, restart } = yield* running
      const proxy = yield* TcpProxy.make(port)
      const kept = yield* keep({
        ...timing,
        url: `ws://127.0.0.1:${proxy.port}/graphql`,
        query: "subscription { numbers }",
        token: "ann"
      })
      /** Of each connection. */
      const got: Array<Array<unknown>> = [[]]
      yield* Effect.forkScoped(
        Stream.runForEach(kept.received, (one) =>
          Effect.sync(() => {
            if (one._tag === "Gap") got.push([])
            else if (one.value.type === "next") {
              const { data } = one.value.payload as { data: { numbers: number } }
              got.at(-1)?.push(data.numbers)
            }
          })
        )
      )
      const received = () => got.reduce((sum, { length }) => sum + length, 0)
      const waits = yield* throughFaults({ kept, proxy, received, restart })
      assert.isAtLeast(waits.length, cuts + 2)
      for (const { delay, waited } of waits) assert.isAtLeast(waited, delay - 1)
      assert.isAtLeast(got.length, cuts + 3)
      for (const numbers of got) {
        assert.deepStrictEqual(
          numbers,
          numbers.map((_, n) => n + 1)
        )
      }
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)

it.scopedLive(
  "graphql-ws: who is refused is not tried again",
  () =>
    Effect.gen(function* () {
      const { port } = yield* running
      const kept = yield* keep({ url: `ws://127.0.0.1:${port}/graphql`, query: "subscription { numbers }" })
      const reason = yield* kept.ended
      assert.deepInclude(reason._tag === "Stopped" ? reason.end : reason, { _tag: "ClosedByPeer", code: 4403 })
    }).pipe(Effect.provide(NodeDialer.layer)),
  limit
)
