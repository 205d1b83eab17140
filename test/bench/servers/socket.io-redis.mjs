/** Socket.IO with connection state recovery, over Redis Streams. */
import { createServer } from "node:http"
import { createAdapter } from "@socket.io/redis-streams-adapter"
import { Redis } from "ioredis"
import { Server } from "socket.io"
import { serve } from "./serve.mjs"

const room = "bench"

const listen = () =>
  new Promise((resume) => {
    const http = createServer()
    const io = new Server(http, {
      adapter: createAdapter(new Redis(process.env.REDIS_URL)),
      connectionStateRecovery: {},
      transports: ["websocket"],
      serveClient: false
    })
    io.on("connection", (socket) => {
      if (!socket.recovered) socket.join(room)
      socket.on("message", (text) => socket.emit("message", text))
      socket.on("publish", (text) => io.to(room).emit("publication", text))
    })
    http.listen(0, "127.0.0.1", () => resume(http.address().port))
  })

await serve({ cluster: listen })
