import { io } from "socket.io-client"

const socket = io("wss://example.com/", { transports: ["websocket"] })
socket.emit("message", { hello: "world" })
socket.on("message", (message: unknown) => console.log(message))
