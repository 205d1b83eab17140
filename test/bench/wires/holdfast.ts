/**
 * Holdfast's protocol, `holdfast.v1.json`, as a client must speak it: hello and
 * welcome, sequence numbers, and an acknowledgement of everything received,
 * with the next message or by itself soon after.
 */
import type { Connect, Link, Receiver } from "../peer.js"
import { WebSocketClient } from "../webSocket.js"

/** As in the client's defaults, in milliseconds. */
const ackDelay = 50

type Message =
  | { readonly type: "welcome"; readonly resumed: boolean; readonly limits: { readonly messages: number } }
  | { readonly type: "replayed" }
  | { readonly type: "data"; readonly seq: number; readonly ack: number; readonly body: unknown }
  | { readonly type: "ack"; readonly ack: number }

/** The sessions that have something to acknowledge; one timer serves all of them. */
let due = new Set<HoldfastLink>()

const acknowledgeSoon = (link: HoldfastLink): void => {
  due.add(link)
  if (due.size > 1) return
  setTimeout(() => {
    const links = due
    due = new Set()
    for (const owing of links) owing.acknowledge()
  }, ackDelay)
}

class HoldfastLink implements Link {
  socket: WebSocketClient | undefined
  private sent = 0
  private acked = 0
  private received = 0
  private ackSent = 0
  private window = 0

  constructor(
    private readonly receiver: Receiver,
    private readonly welcomed: () => void
  ) {}

  send(text: string): void {
    if (this.sent - this.acked >= this.window) throw new Error("the workload has more in flight than the server allows")
    this.ackSent = this.received
    this.socket?.send(`{"type":"data","seq":${++this.sent},"ack":${this.received},"body":${JSON.stringify(text)}}`)
  }

  flush(): void {
    this.socket?.flush()
  }

  destroy(): void {
    due.delete(this)
    this.socket?.destroy()
  }

  acknowledge(): void {
    if (this.ackSent === this.received) return
    this.ackSent = this.received
    this.socket?.send(`{"type":"ack","ack":${this.received}}`)
    this.socket?.flush()
  }

  text(text: string): void {
    const message = JSON.parse(text) as Message
    switch (message.type) {
      case "data":
        if (message.seq !== this.received + 1) throw new Error(`message ${message.seq} came after ${this.received}`)
        this.acknowledged(message.ack)
        if (this.received++ === this.ackSent) acknowledgeSoon(this)
        this.receiver.message(message.body as string) // the workloads send nothing but strings
        if ((this.received - this.ackSent) * 4 >= this.window) this.acknowledge()
        return
      case "ack":
        return this.acknowledged(message.ack)
      case "welcome":
        this.window = message.limits.messages
        return this.welcomed()
      case "replayed":
        return
      default:
        throw new Error(`the server said ${text}`)
    }
  }

  private acknowledged(ack: number): void {
    if (ack > this.sent || ack < this.acked) throw new Error(`the server acknowledged ${ack} of ${this.sent}`)
    this.acked = ack
  }
}

export const connect: Connect = (port, receiver) =>
  new Promise((resume, reject) => {
    let isWelcome = false
    const link: HoldfastLink = new HoldfastLink(receiver, () => {
      isWelcome = true
      resume(link)
    })
    WebSocketClient.open(port, "holdfast.v1.json", {
      text: (text) => link.text(text),
      lost: (why) => (isWelcome ? receiver.lost(why) : reject(why))
    }).then((socket) => {
      link.socket = socket
      socket.send('{"type":"hello"}')
      socket.flush()
    }, reject)
  })
