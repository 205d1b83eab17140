/** The client of bare `ws`: no reconnect, no heartbeat. */
import { WebSocket } from "ws"
import { converse } from "./converse.mjs"

await converse(
  (port, reply) =>
    new Promise((resume, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
      socket.on("error", reject)
      socket.on("open", () => resume((text) => socket.send(text)))
      socket.on("message", (data) => socket.send(reply(data.toString())))
    })
)
