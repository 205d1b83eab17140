/** Refusals on real ports: a gateway says that they are its own, and what others answer passes by itself. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { type Client, ConnectionError, Gateway, Listener, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { eventually, makeClient, numbers } from "./support.js"

type Options = Partial<Gateway.GatewayOptions<number, number, Gateway.Principal>>

const gateway = (port: number, options?: Options) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(NodeListener.layer({ port, path: "/socket" }))
    const made = yield* Gateway.make({
      messages: numbers,
      authenticate: Gateway.anonymous,
      onMessage: () => Effect.void,
      drainSpread: 1,
      drainTimeout: 50,
      ...options
    }).pipe(Effect.provide(context))
    return Number(new URL(made.address).port)
  })

const upgrade = (port: number, path: string, headers: Readonly<Record<string, string>>) =>
  Effect.async<Http.IncomingMessage>((resume) => {
    const request = Http.request({
      port,
      path,
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": "holdfast.v1.json",
        ...headers
      }
    })
    request.on("response", (response) => {
      response.resume()
      resume(Effect.succeed(response))
    })
    request.on("upgrade", (response, socket) => {
      socket.destroy()
      resume(Effect.succeed(response))
    })
    request.end()
  })

const World = Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())

describe("A gateway", () => {
  it.scopedLive("says of each of its refusals that it is its own", () =>
    Effect.gen(function* () {
      const said = (port: number, path = "/socket", headers: Readonly<Record<string, string>> = {}) =>
        Effect.map(upgrade(port, path, headers), ({ headers, statusCode }) => [statusCode, headers["holdfast-refusal"]])
      const open = yield* gateway(0, { origins: ["https://example.com"] })
      assert.deepStrictEqual(yield* said(open), [101, undefined])
      assert.deepStrictEqual(yield* said(open, "/other"), [404, "not-found"])
      assert.deepStrictEqual(yield* said(open, "/socket", { Origin: "https://evil.com" }), [403, "origin"])
      assert.deepStrictEqual(yield* said(open, "/socket", { "Sec-WebSocket-Protocol": "mqtt" }), [400, "subprotocol"])
      assert.deepStrictEqual(yield* said(open, "/socket", { "Sec-WebSocket-Version": "8" }), [426, "handshake"])
      const closed = yield* gateway(0, {
        authorizeUpgrade: ({ url }) =>
          url.includes("die")
            ? Effect.die("a defect")
            : new ConnectionError.UpgradeRefused({ status: 402, body: "pay" })
      })
      assert.deepStrictEqual(yield* said(closed), [402, "application"])
      assert.deepStrictEqual(yield* said(closed, "/socket?die"), [500, "failed"])
      const listener = Context.get(yield* Layer.build(NodeListener.layer({ port: 0 })), Listener.Listener)
      assert.deepStrictEqual(yield* said(Number(new URL(listener.address).port), "/"), [503, "not-ready"])
      // On a server that goes on, for other routes.
      const stopping = yield* Layer.build(NodeListener.layer({ port: 0 }))
      const stopped = Number(new URL(Context.get(stopping, Listener.Listener).address).port)
      yield* Gateway.make({
        messages: numbers,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      }).pipe(Effect.provide(stopping), Effect.zipRight(said(stopped, "/")), Effect.scoped)
      assert.deepStrictEqual(yield* said(stopped, "/"), [503, "restart"])
      const full = yield* gateway(0, { maxConnectionsPerAddress: 1, authorizeUpgrade: () => Effect.sleep("1 second") })
      const first = yield* Effect.fork(said(full))
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(yield* said(full), [429, "address"])
      yield* first
    }).pipe(Effect.provide(World))
  )
})

/** Answers every upgrade so, on this port, until the scope closes. */
const portal = (port: number, answer: string) =>
  Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const server = Http.createServer()
      server.on("upgrade", (_, socket) => {
        socket.on("error", () => {})
        socket.end(answer)
      })
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )

const page = "<html>pay for this network</html>"
const answers = {
  "a redirection": "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n",
  "403": "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
  "407": "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
  "a page": `HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n${page}`,
  "a switch to something else":
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
  "no HTTP": "SSH-2.0-OpenSSH_9.6\r\n"
} as const

describe("A client that has been Ready and meets", () => {
  for (const [what, answer] of Object.entries(answers)) {
    it.scopedLive(`${what} of a portal comes back when that is gone`, () =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const port = yield* gateway(0).pipe(Scope.extend(first))
        const options: Partial<Client.ClientOptions<number, number>> = { url: `ws://127.0.0.1:${port}/socket` }
        const client = yield* makeClient(port, options)
        yield* client.ready
        yield* Scope.close(first, Exit.void)
        const away = yield* Scope.make()
        const server = yield* portal(port, answer).pipe(Scope.extend(away))
        assert.strictEqual((server.address() as AddressInfo).port, port)
        yield* client.reconnect
        yield* eventually(
          "it was answered",
          Effect.map(client.status, (status) => status._tag === "Waiting" && status.reason._tag.startsWith("Dial"))
        )
        yield* Scope.close(away, Exit.void)
        yield* gateway(port)
        yield* client.reconnect
        yield* Effect.timeout(client.ready, "20 seconds")
      }).pipe(Effect.provide(World))
    )
  }
})
