/** A transport of each end beside a bare `ws` WebSocket, and what both have heard. */
import { createServer, type Server } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Net from "node:net"
import { Effect } from "effect"
import type { Transport } from "holdfast"
import { WebSocket, WebSocketServer } from "ws"
import { ClientTransport } from "../../src/node/internal/clientTransport.js"
import { ServerTransport } from "../../src/node/internal/serverTransport.js"
import { ReasonedWebSocket } from "../../src/node/internal/wsTransport.js"

export const ends = ["server", "client"] as const
export type End = (typeof ends)[number]

export interface Made {
  readonly transport: Transport.Transport
  /** Under the transport. */
  readonly socket: Socket
  /** What the transport's receiver was told. */
  readonly told: Array<unknown>
  /** The other end. */
  readonly peer: WebSocket
  /** What it has heard, in order. */
  readonly heard: Array<unknown>
}

const said = (data: unknown, isBinary: boolean): string | Buffer =>
  isBinary ? (data as Buffer) : (data as Buffer).toString() // binaryType is "nodebuffer"

const listen = (peer: WebSocket): Array<unknown> => {
  const heard: Array<unknown> = []
  peer.on("message", (data, isBinary) => heard.push(said(data, isBinary)))
  peer.on("ping", (payload) => heard.push(["ping", String(payload)]))
  peer.on("pong", (payload) => heard.push(["pong", String(payload)]))
  peer.on("close", (code, reason) => heard.push(["close", code, String(reason)]))
  peer.on("error", (error) => heard.push(error))
  return heard
}

const run = (transport: Transport.Transport): Array<unknown> => {
  const told: Array<unknown> = []
  transport.run({
    message: (frame) => told.push(frame),
    ping: (payload) => told.push(["ping", String(payload)]),
    pong: (payload) => told.push(["pong", String(payload)]),
    congested: () => told.push("congested"),
    drained: () => told.push("drained"),
    closed: ({ clean, code, reason }) => told.push(["closed", code, reason, clean])
  })
  return told
}

const maxFrame = 2 ** 24
const options = { perMessageDeflate: false, autoPong: false, maxPayload: maxFrame } as const

const close = (server: Server): void => {
  server.close()
  server.closeAllConnections()
}

/** A server's sockets as transports. */
export const serve = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly next: Effect.Effect<Omit<Made, "peer" | "heard">> }>((resume) => {
    const upgrades = new WebSocketServer({ ...options, noServer: true, WebSocket: ReasonedWebSocket })
    const server = createServer()
    const sockets = new Set<Socket>()
    server.on("connection", (socket) => sockets.add(socket))
    server.on("close", () => {
      for (const socket of sockets) socket.destroy()
    })
    const next = Effect.async<Omit<Made, "peer" | "heard">>((accepted) => {
      server.once("upgrade", (request, socket, head) =>
        upgrades.handleUpgrade(request, socket, head, (ws) => {
          const net = socket as Socket
          const transport = new ServerTransport(ws as ReasonedWebSocket, net, "peer", maxFrame)
          accepted(Effect.succeed({ transport, socket: net, told: run(transport) }))
        })
      )
    })
    server.listen(0, "127.0.0.1", () =>
      resume(Effect.succeed({ port: (server.address() as AddressInfo).port, next, server }))
    )
  }),
  (made) => Effect.sync(() => close((made as unknown as { readonly server: Server }).server))
)

const opened = (ws: WebSocket): Effect.Effect<void> =>
  Effect.async((resume) => void ws.once("open", () => resume(Effect.void)))

export const ofServer = Effect.gen(function* () {
  const { next, port } = yield* serve
  const peer = new WebSocket(`ws://127.0.0.1:${port}`, { ...options })
  const heard = listen(peer)
  const [made] = yield* Effect.all([next, opened(peer)], { concurrency: "unbounded" })
  return { ...made, peer, heard } satisfies Made
})

export const ofClient = Effect.gen(function* () {
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocketServer({ ...options, host: "127.0.0.1", port: 0 })),
    (server) =>
      Effect.sync(() => {
        for (const socket of server.clients) socket.terminate()
        server.close()
      })
  )
  yield* Effect.async<void>((resume) => void server.once("listening", () => resume(Effect.void)))
  const accepted = Effect.async<{ readonly peer: WebSocket; readonly heard: Array<unknown> }>((resume) => {
    server.once("connection", (peer) => resume(Effect.succeed({ peer, heard: listen(peer) })))
  })
  const dialled = Effect.async<Omit<Made, "peer" | "heard">>((resume) => {
    const ws = new ReasonedWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { ...options })
    ws.on("upgrade", ({ socket }) => {
      const transport = new ClientTransport(ws, socket as Socket, "peer")
      const made = { transport, socket: socket as Socket, told: run(transport) }
      ws.on("open", () => {
        transport.opened(maxFrame)
        resume(Effect.succeed(made))
      })
    })
  })
  const [there, here] = yield* Effect.all([accepted, dialled], { concurrency: "unbounded" })
  return { ...here, ...there } satisfies Made
})

export const make = (end: End) => (end === "server" ? ofServer : ofClient)

/** Counts what a socket is given from now on. */
export const writesOf = (socket: Socket): { readonly count: () => number } => {
  let count = 0
  const write = socket.write
  socket.write = (...args: ReadonlyArray<unknown>) => {
    count++
    return Reflect.apply(write, socket, args)
  }
  return { count: () => count }
}

/** A peer of which every byte can be seen: the upgrade is done, and `bytes` has what came after it. */
export const rawPeer = (port: number) =>
  Effect.async<{ readonly socket: Socket; readonly bytes: () => Buffer }>((resume) => {
    const socket = Net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    let got = Buffer.alloc(0)
    let start = -1
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk])
      if (start >= 0 || !got.includes("\r\n\r\n")) return
      start = got.indexOf("\r\n\r\n") + 4
      resume(Effect.succeed({ socket, bytes: () => got.subarray(start) }))
    })
    socket.on("error", () => {})
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${"A".repeat(22)}==\r\nSec-WebSocket-Version: 13\r\n\r\n`
    )
  })
