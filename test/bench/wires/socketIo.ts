/**
 * Socket.IO 4's protocol over a WebSocket, as its client speaks it: the open
 * packet and the heartbeat of Engine.IO, events as JSON, and for connection
 * state recovery the session's `pid` and the offset of the last event.
 */
import type { Join, Member, MemberReceiver, Receiver } from "../peer.js"
import { WebSocketClient } from "../webSocket.js"

/** Packets of Engine.IO are one digit; those of Socket.IO are messages of it, and have a second one. */
const Packet = { Open: "0", Ping: "2", Pong: "3", Connect: "40", Event: "42" } as const

const path = "/socket.io/?EIO=4&transport=websocket"

interface Opening {
  readonly done: (resumed: boolean) => void
  readonly failed: (why: Error) => void
}

class SocketIoMember implements Member {
  private socket: WebSocketClient | undefined
  private opening: Opening | undefined
  private pid: string | undefined
  private offset: string | undefined

  constructor(private readonly receiver: MemberReceiver) {}

  resume(port: number): Promise<boolean> {
    return new Promise((done, failed) => {
      this.opening = { done, failed }
      const opened = WebSocketClient.open(
        port,
        { path },
        {
          // The open packet may come in one read with the answer to the upgrade.
          text: (text) => (text.startsWith(Packet.Open) ? void opened.then(connect) : this.text(text)),
          lost: (why) => (this.opening === undefined ? this.receiver.lost(why) : failed(why))
        }
      )
      const connect = (socket: WebSocketClient) => {
        const auth = this.pid === undefined ? "" : JSON.stringify({ pid: this.pid, offset: this.offset })
        socket.send(`${Packet.Connect}${auth}`)
        socket.flush()
      }
      opened.then((socket) => {
        this.socket = socket
      }, failed)
    })
  }

  send(text: string): void {
    this.socket?.send(`${Packet.Event}${JSON.stringify(["message", text])}`)
  }

  publish(text: string): void {
    this.socket?.send(`${Packet.Event}${JSON.stringify(["publish", text])}`)
  }

  flush(): void {
    this.socket?.flush()
  }

  destroy(): void {
    this.socket?.destroy()
    this.socket = undefined
  }

  private text(text: string): void {
    if (text.startsWith(Packet.Event)) return this.event(text)
    if (text === Packet.Ping) return this.socket?.send(Packet.Pong)
    if (text.startsWith(Packet.Connect)) return this.connected(text)
    throw new Error(`the server said ${text}`)
  }

  private connected(text: string): void {
    const { pid } = JSON.parse(text.slice(Packet.Connect.length)) as { readonly pid: string }
    const isLost = this.pid !== undefined && this.pid !== pid
    this.pid = pid
    this.opening?.done(!isLost)
    this.opening = undefined
  }

  private event(text: string): void {
    const [name, body, offset] = JSON.parse(text.slice(Packet.Event.length)) as [string, string, string | undefined]
    if (offset !== undefined) this.offset = offset
    if (name === "publication") this.receiver.publication(body)
    else this.receiver.message(body)
  }
}

export const join: Join = async (port, receiver) => {
  const member = new SocketIoMember(receiver)
  await member.resume(port)
  return member
}

const unasked = (text: string): void => {
  throw new Error(`a publication that nobody asked for: ${text}`)
}

export const connect = (port: number, receiver: Receiver): Promise<Member> =>
  join(port, { ...receiver, publication: unasked })
