/** Bare `ws`, with the heartbeat that its documentation shows: the least that a server can do. */
import { WebSocketServer } from "ws"
import { serve } from "./serve.mjs"

const heartbeatInterval = 30_000

const listen = (onMessage) =>
  new Promise((resume) => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false })
    server.on("connection", (socket) => {
      socket.isAlive = true
      socket.on("error", console.error)
      socket.on("pong", () => {
        socket.isAlive = true
      })
      socket.on("message", (data, isBinary) => onMessage(socket, data, isBinary))
    })
    setInterval(() => {
      for (const socket of server.clients) {
        if (!socket.isAlive) {
          socket.terminate()
          continue
        }
        socket.isAlive = false
        socket.ping()
      }
    }, heartbeatInterval)
    server.on("listening", () => resume(server.address().port))
  })

await serve({
  echo: () => listen((socket, data, isBinary) => socket.send(data, { binary: isBinary }))
})
