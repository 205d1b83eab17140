/** One message, one frame: bare `ws`, and every server without a protocol of its own. */
import type { Connect, TopicPeer } from "../peer.js"
import { WebSocketClient } from "../webSocket.js"

export const connect: Connect = (port, receiver) =>
  WebSocketClient.open(port, {}, { text: receiver.message, lost: receiver.lost })

/** Whatever it receives is a publication, and whatever is sent is published. */
export const subscribe: TopicPeer["subscribe"] = (port, { lost, publication }) =>
  connect(port, { message: publication, lost })

export const publisher: TopicPeer["publisher"] = async (port, receiver) => {
  const link = await connect(port, receiver)
  return {
    send: (text) => link.send(text),
    publish: (text) => link.send(text),
    flush: () => link.flush(),
    destroy: () => link.destroy()
  }
}
