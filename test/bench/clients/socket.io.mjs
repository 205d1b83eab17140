/** Socket.IO's client, as it comes. */
import { io } from "socket.io-client"
import { converse } from "./converse.mjs"

await converse(
  (port, reply) =>
    new Promise((resume, reject) => {
      const socket = io(`ws://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true })
      socket.on("connect_error", reject)
      socket.on("connect", () => resume((text) => socket.emit("message", text)))
      socket.on("message", (text) => socket.emit("message", reply(text)))
    })
)
