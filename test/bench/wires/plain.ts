/** One message, one frame: bare `ws`, and every server without a protocol of its own. */
import type { Connect } from "../peer.js"
import { WebSocketClient } from "../webSocket.js"

export const connect: Connect = (port, receiver) =>
  WebSocketClient.open(port, {}, { text: receiver.message, lost: receiver.lost })
