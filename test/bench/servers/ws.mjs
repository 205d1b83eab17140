/** Bare `ws`, with the heartbeat that its documentation shows: the least that a server can do. */
import { WebSocket, WebSocketServer } from "ws"
import { heartbeatInterval, serve } from "./serve.mjs"

const listen = (onMessage, interval = 30_000) =>
  new Promise((resume) => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false })
    server.on("connection", (socket) => {
      socket.isAlive = true
      socket.on("error", console.error)
      socket.on("pong", () => {
        socket.isAlive = true
      })
      socket.on("message", (data, isBinary) => onMessage(socket, data, isBinary, server))
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
    }, interval)
    server.on("listening", () => resume(server.address().port))
  })

const echo = (socket, data, isBinary) => socket.send(data, { binary: isBinary })

/** To all but the sender, as its documentation shows it. */
const broadcast = (sender, data, isBinary, { clients }) => {
  for (const client of clients) {
    if (client !== sender && client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary })
  }
}

await serve({
  echo: () => listen(echo),
  heartbeat: () => listen(echo, heartbeatInterval),
  topic: () => listen(broadcast)
})
