/**
 * Holdfast's protocol, `holdfast.v1.json`, as a client must speak it: hello and
 * welcome, sequence numbers, an acknowledgement of everything received, with
 * the next message or by itself soon after, and a subscription that goes on
 * where it stopped.
 */
import type { Join, Member, MemberReceiver, Receiver } from "../peer.js"
import { WebSocketClient } from "../webSocket.js"

/** As in the client's defaults, in milliseconds. */
const ackDelay = 50
const topic = "bench"

interface Position {
  readonly epoch: string
  readonly offset: number
}

type Message =
  | {
      readonly type: "welcome"
      readonly session: string
      readonly secret: string
      readonly processed: number
      readonly resumed: boolean
      readonly heartbeat: number
      readonly limits: { readonly messages: number }
    }
  | { readonly type: "replayed" }
  | { readonly type: "data"; readonly seq: number; readonly ack: number; readonly body: unknown }
  | { readonly type: "ack"; readonly ack: number }
  | { readonly type: "subscribed"; readonly position: Position; readonly recovered: boolean }
  | { readonly type: "publication"; readonly position: Position; readonly body: unknown }
  | { readonly type: "published" }

/** The sessions that have something to acknowledge; one timer serves all of them. */
let due = new Set<HoldfastMember>()

const acknowledgeSoon = (member: HoldfastMember): void => {
  due.add(member)
  if (due.size > 1) return
  setTimeout(() => {
    const members = due
    due = new Set()
    for (const owing of members) owing.acknowledge()
  }, ackDelay)
}

interface Opening {
  readonly done: (resumed: boolean) => void
  readonly failed: (why: Error) => void
}

class HoldfastMember implements Member {
  private socket: WebSocketClient | undefined
  private opening: Opening | undefined
  private session: { readonly id: string; readonly secret: string } | undefined
  private attempt = 0
  private sent = 0
  private acked = 0
  private received = 0
  private ackSent = 0
  private window = 0
  private lastRequest = 0
  private position: Position | undefined
  /** What has not been acknowledged, from `acked + 1` on. */
  private readonly kept: Array<string> = []

  private beating: NodeJS.Timeout | undefined

  constructor(
    private readonly receiver: MemberReceiver,
    private readonly subscribes: boolean,
    private readonly beats = false
  ) {}

  /** Connects, and says whether the session that there was goes on. */
  resume(port: number): Promise<boolean> {
    return new Promise((done, failed) => {
      this.opening = { done, failed }
      WebSocketClient.open(
        port,
        { subprotocol: "holdfast.v1.json" },
        {
          text: (text) => this.text(text),
          lost: (why) => (this.opening === undefined ? this.receiver.lost(why) : failed(why))
        }
      ).then((socket) => {
        this.socket = socket
        socket.send(this.hello())
        socket.flush()
      }, failed)
    })
  }

  send(text: string): void {
    if (this.sent - this.acked >= this.window) throw new Error("the workload has more in flight than the server allows")
    const body = JSON.stringify(text)
    this.sent++
    this.kept.push(body)
    this.data(this.sent, body)
  }

  publish(text: string): void {
    const id = ++this.lastRequest
    const body = JSON.stringify(text)
    this.socket?.send(
      `{"type":"publish","id":${id},"topic":"${topic}","key":"${this.session?.id}${id}","body":${body}}`
    )
  }

  flush(): void {
    this.socket?.flush()
  }

  destroy(): void {
    due.delete(this)
    clearInterval(this.beating)
    this.socket?.destroy()
    this.socket = undefined
  }

  acknowledge(): void {
    if (this.ackSent === this.received) return
    this.ackNow()
    this.flush()
  }

  private ackNow(): void {
    this.ackSent = this.received
    this.socket?.send(`{"type":"ack","ack":${this.received}}`)
  }

  private data(seq: number, body: string): void {
    this.ackSent = this.received
    this.socket?.send(`{"type":"data","seq":${seq},"ack":${this.received},"body":${body}}`)
  }

  private hello(): string {
    if (this.session === undefined) return '{"type":"hello"}'
    const { id, secret } = this.session
    return JSON.stringify({
      type: "hello",
      resume: { session: id, secret, processed: this.received, oldest: this.acked + 1, attempt: ++this.attempt }
    })
  }

  private text(text: string): void {
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
      case "publication":
        if (message.position.offset !== (this.position?.offset ?? 0) + 1) {
          throw new Error(`publication ${message.position.offset} came after ${this.position?.offset}`)
        }
        this.position = message.position
        return this.receiver.publication(message.body as string) // they publish nothing else
      case "welcome":
        return this.welcome(message)
      case "subscribed":
        if (this.position !== undefined && !message.recovered) throw new Error(`publications are lost: ${text}`)
        this.position = message.position
        return this.opened(true)
      case "published":
      case "replayed":
        return
      default:
        throw new Error(`the server said ${text}`)
    }
  }

  private welcome(message: Message & { readonly type: "welcome" }): void {
    const isLost = this.session !== undefined && !message.resumed
    this.window = message.limits.messages
    this.session = { id: message.session, secret: message.secret }
    if (this.beats) this.startBeating(message.heartbeat)
    if (isLost) return this.opened(false)
    this.acknowledged(message.processed)
    this.ackNow() // it proves that the welcome has arrived
    for (const [at, body] of this.kept.entries()) this.data(this.acked + 1 + at, body)
    if (!this.subscribes) return this.opened(true)
    const since = this.position === undefined ? "" : `,"since":${JSON.stringify(this.position)}`
    this.socket?.send(`{"type":"subscribe","id":${++this.lastRequest},"topic":"${topic}"${since}}`)
  }

  /** First after a random part of the interval, as the client does. */
  private startBeating(interval: number): void {
    const beat = () => {
      this.socket?.ping()
      this.flush()
    }
    this.beating = setTimeout(() => {
      beat()
      this.beating = setInterval(beat, interval)
    }, interval * Math.random())
  }

  private opened(isResumed: boolean): void {
    this.opening?.done(isResumed)
    this.opening = undefined
  }

  private acknowledged(ack: number): void {
    if (ack > this.sent || ack < this.acked) throw new Error(`the server acknowledged ${ack} of ${this.sent}`)
    this.kept.splice(0, ack - this.acked)
    this.acked = ack
  }
}

export const join: Join = async (port, receiver) => {
  const member = new HoldfastMember(receiver, true)
  await member.resume(port)
  return member
}

const unasked = (text: string): void => {
  throw new Error(`a publication that nobody asked for: ${text}`)
}

const connectBy = async (port: number, receiver: Receiver, beats: boolean): Promise<Member> => {
  const member = new HoldfastMember({ ...receiver, publication: unasked }, false, beats)
  await member.resume(port)
  return member
}

/** Only answers the server's pings: those of the client's own would come every 30 s. */
export const connect = (port: number, receiver: Receiver): Promise<Member> => connectBy(port, receiver, false)

export const connectBeating = (port: number, receiver: Receiver): Promise<Member> => connectBy(port, receiver, true)
