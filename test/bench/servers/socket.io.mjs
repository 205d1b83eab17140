/** Socket.IO with connection state recovery, in its own memory. */
import { createServer } from "node:http"
import { Server } from "socket.io"
import { heartbeatInterval, serve } from "./serve.mjs"

const room = "bench"

const listen = (onConnection, options = {}) =>
  new Promise((resume) => {
    const http = createServer()
    const io = new Server(http, {
      connectionStateRecovery: {},
      transports: ["websocket"],
      serveClient: false,
      ...options
    })
    io.on("connection", onConnection)
    http.listen(0, "127.0.0.1", () => resume(http.address().port))
  })

const echo = (socket) => socket.on("message", (text) => socket.emit("message", text))

/** To all but the sender. */
const broadcast = (socket) => {
  socket.join(room)
  socket.on("publish", (text) => socket.to(room).emit("publication", text))
}

await serve({
  echo: () => listen(echo),
  heartbeat: () => listen(echo, { pingInterval: heartbeatInterval }),
  topic: () => listen(broadcast)
})
