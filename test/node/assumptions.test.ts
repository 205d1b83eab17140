/**
 * What `holdfast/node` takes for granted of `ws` and of Node beyond their documentation, each said in one file of
 * src/node/internal. Where one of these fails after an upgrade of either, that file has to be looked at.
 */
import { readFileSync } from "node:fs"
import * as Http from "node:http"
import { createRequire } from "node:module"
import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { WebSocket, WebSocketServer } from "ws"
import { isAnswering } from "../../src/node/internal/foreignUpgrades.js"
import { limitReceiver } from "../../src/node/internal/receiverLimit.js"

const require = createRequire(import.meta.url)
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly dependencies: { readonly ws: string }
}

/** Both ends of a WebSocket, and the sockets they are on. */
const pair = Effect.acquireRelease(
  Effect.async<{
    readonly client: WebSocket
    readonly clientSocket: Socket
    readonly server: WebSocket
    readonly serverSocket: Socket
    readonly close: () => void
  }>((resume) => {
    const all = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false, maxPayload: 1000 })
    all.on("listening", () => {
      const { port } = all.address() as { readonly port: number } // it listens on TCP
      const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
      let clientSocket: Socket | undefined
      client.on("upgrade", (response) => {
        clientSocket = response.socket
      })
      all.on("connection", (server, { socket: serverSocket }) => {
        client.on("open", () => {
          assert.isDefined(clientSocket, "NodeDialer: the upgrade's response has the socket")
          if (clientSocket === undefined) return
          const close = () => {
            client.terminate()
            server.terminate()
            all.close()
          }
          resume(Effect.succeed({ client, clientSocket, server, serverSocket, close }))
        })
      })
    })
  }),
  ({ close }) => Effect.sync(close)
)

describe("what is assumed of ws", () => {
  it("it is the minor version that was tested", () => {
    const { version } = require("ws/package.json") as { readonly version: string }
    const [major, minor] = version.split(".")
    assert.strictEqual(manifest.dependencies.ws, `~${major}.${minor}.0`)
  })

  it.scopedLive(
    "frameReader: it reads its socket by one listener of `data`, which may be called with any part of what comes",
    () =>
      Effect.gen(function* () {
        const { client, clientSocket, server, serverSocket } = yield* pair
        for (const socket of [clientSocket, serverSocket]) assert.strictEqual(socket.listenerCount("data"), 1)
        const [toWs] = serverSocket.listeners("data")
        assert.isDefined(toWs)
        serverSocket.removeAllListeners("data")
        serverSocket.on("data", (chunk: Buffer) => {
          for (const byte of chunk) Reflect.apply(toWs as () => void, serverSocket, [Buffer.of(byte)])
        })
        client.send("in pieces")
        const heard = yield* Effect.async<string>((resume) => {
          server.on("message", (data) => resume(Effect.succeed(String(data))))
        })
        assert.strictEqual(heard, "in pieces")
      })
  )

  it.scopedLive("receiverLimit: the largest message can be changed, and is looked at with each header", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair
      assert.isTrue(limitReceiver(server, 2000))
      client.send("x".repeat(2000))
      yield* Effect.async<void>((resume) => void server.once("message", () => resume(Effect.void)))
      assert.isTrue(limitReceiver(server, 10))
      client.send("x".repeat(11))
      const error = yield* Effect.async<Error>((resume) => {
        server.on("error", (found) => resume(Effect.succeed(found)))
      })
      assert.strictEqual(Reflect.get(error, "code"), "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
    })
  )
})

describe("what is assumed of Node", () => {
  it.scopedLive("handedOver: a socket knows the response that is being written to it", () =>
    Effect.async<void>((resume) => {
      const server = Http.createServer((request, response) => {
        assert.isTrue(isAnswering(request.socket))
        response.end("done")
        response.on("close", () => {
          assert.isFalse(isAnswering(request.socket))
          server.close()
          server.closeAllConnections()
          resume(Effect.void)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { readonly port: number } // it listens on TCP
        Http.get({ port, host: "127.0.0.1" }, (response) => response.resume())
      })
    })
  )
})
