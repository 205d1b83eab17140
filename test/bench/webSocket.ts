/**
 * A WebSocket client that costs the load process as little as it can, so that
 * the server is what is measured: text only, ASCII only, all that one read
 * answers leaves in one write.
 */
import { randomBytes } from "node:crypto"
import * as Net from "node:net"

export interface Receiver {
  readonly text: (text: string) => void
  /** The connection is gone, and this end did not ask for it. */
  readonly lost: (why: Error) => void
}

const chunkSize = 2048
const maxHead = 8192
/** Every read lands here, and is consumed before the next. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)
/** Real clients draw a new one for each frame; to the server one is as good as another. */
const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

const Opcode = { Continuation: 0, Text: 1, Close: 8, Ping: 9, Pong: 10 } as const

export class WebSocketClient {
  private out = Buffer.alloc(0)
  private outLength = 0
  /** The start of a frame whose end has not come yet. */
  private rest = Buffer.alloc(0)
  /** What has come of a message that comes in fragments. */
  private fragments = ""
  private corked = false
  private upgraded = false
  private closed = false

  private constructor(
    private readonly socket: Net.Socket,
    private readonly receiver: Receiver,
    private readonly opened: (error: Error | undefined) => void
  ) {}

  static open(
    port: number,
    { path = "/", subprotocol }: { readonly path?: string; readonly subprotocol?: string },
    receiver: Receiver
  ): Promise<WebSocketClient> {
    return new Promise((resume, reject) => {
      const socket = Net.connect({
        host: "127.0.0.1",
        port,
        noDelay: true,
        onread: {
          buffer: readBuffer,
          callback: (size) => {
            client.read(readBuffer.subarray(0, size))
            return true
          }
        }
      })
      const client = new WebSocketClient(socket, receiver, (error) => {
        if (error === undefined) resume(client)
        else reject(error)
      })
      socket.on("error", (error) => client.lose(error))
      socket.on("close", () => client.lose(new Error("the server closed the connection")))
      socket.write(
        [
          `GET ${path} HTTP/1.1`,
          `Host: 127.0.0.1:${port}`,
          "Upgrade: websocket",
          "Connection: Upgrade",
          `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
          "Sec-WebSocket-Version: 13",
          ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
          "\r\n"
        ].join("\r\n")
      )
    })
  }

  /** Queues a text message; `flush` sends what is queued, and so does the end of a read. */
  send(text: string): void {
    const at = this.frame(Opcode.Text, text.length)
    this.out.write(text, at, "latin1")
    this.mask(at, text.length)
  }

  /** Queues a ping, as `send` queues a message. */
  ping(): void {
    this.frame(Opcode.Ping, 0)
  }

  flush(): void {
    if (this.outLength > 0) this.writeChunk()
    if (!this.corked) return
    this.corked = false
    this.socket.uncork()
  }

  /** Drops the connection; nothing is received any more. */
  destroy(): void {
    this.closed = true
    this.socket.resetAndDestroy() // no TIME_WAIT, thousands of which would use up the ports
  }

  private pong(payload: Buffer): void {
    const at = this.frame(Opcode.Pong, payload.length)
    payload.copy(this.out, at)
    this.mask(at, payload.length)
  }

  /** Makes room for a frame, writes its header, and gives the offset of its payload. */
  private frame(opcode: number, length: number): number {
    const size = length + (length < 126 ? 6 : length <= 0xffff ? 8 : 14)
    if (this.outLength + size > this.out.length) {
      if (this.outLength > 0) this.overflow()
      this.out = Buffer.allocUnsafe(Math.max(chunkSize, size))
    }
    const { out } = this
    let at = this.outLength
    out[at++] = 0x80 | opcode
    if (length < 126) {
      out[at++] = 0x80 | length
    } else if (length <= 0xffff) {
      out[at++] = 0x80 | 126
      at = out.writeUInt16BE(length, at)
    } else {
      out[at++] = 0x80 | 127
      at = out.writeUInt32BE(0, at)
      at = out.writeUInt32BE(length, at)
    }
    at += mask.copy(out, at)
    this.outLength += size
    return at
  }

  /** A full chunk waits for the rest of what leaves together. */
  private overflow(): void {
    if (!this.corked) this.socket.cork()
    this.corked = true
    this.writeChunk()
  }

  private writeChunk(): void {
    const chunk = this.out.subarray(0, this.outLength)
    this.out = this.out.subarray(0, 0)
    this.outLength = 0
    this.socket.write(chunk)
  }

  private mask(at: number, length: number): void {
    const { out } = this
    for (let i = 0; i < length; i++) out[at + i] = (out[at + i] ?? 0) ^ (mask[i & 3] ?? 0)
  }

  private lose(why: Error): void {
    if (this.closed) return
    this.closed = true
    this.socket.destroy()
    if (this.upgraded) this.receiver.lost(why)
    else this.opened(why)
  }

  private read(bytes: Buffer): void {
    if (this.closed) return
    const input = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    try {
      const used = this.upgraded ? 0 : this.upgrade(input)
      const end = this.upgraded ? this.frames(input, used) : used
      this.rest = end === input.length ? this.rest.subarray(0, 0) : Buffer.from(input.subarray(end))
      this.flush()
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Reads the answer to the upgrade, and gives where it ends. */
  private upgrade(input: Buffer): number {
    const end = input.indexOf("\r\n\r\n")
    if (end < 0) {
      if (input.length > maxHead) throw new Error("the server's answer to the upgrade does not end")
      return 0
    }
    const head = input.toString("latin1", 0, end)
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`the upgrade was refused: ${head.split("\r\n", 1)[0]}`)
    this.upgraded = true
    this.opened(undefined)
    return end + 4
  }

  /** Reads whole frames, and gives where the last one ends. */
  private frames(input: Buffer, from: number): number {
    let at = from
    while (input.length - at >= 2 && !this.closed) {
      const first = input[at] ?? 0
      let length = input[at + 1] ?? 0
      let start = at + 2
      if (length === 126) {
        if (input.length - at < 4) break
        length = input.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        if (input.length - at < 10) break
        length = Number(input.readBigUInt64BE(start))
        start += 8
      } else if (length > 127) {
        throw new Error("the server sent a masked frame")
      }
      if (input.length < start + length) break
      at = start + length
      if (first === (0x80 | Opcode.Text)) this.receiver.text(input.toString("latin1", start, at))
      else if (first === Opcode.Text || first === Opcode.Continuation) {
        this.fragments += input.toString("latin1", start, at)
      } else if (first === (0x80 | Opcode.Continuation)) {
        const text = this.fragments + input.toString("latin1", start, at)
        this.fragments = ""
        this.receiver.text(text)
      } else if (first === (0x80 | Opcode.Ping)) this.pong(input.subarray(start, at))
      else if (first === (0x80 | Opcode.Close)) throw new Error(`the server closed: ${closeOf(input, start, at)}`)
      else if (first !== (0x80 | Opcode.Pong)) throw new Error(`a frame starts with 0x${first.toString(16)}`)
    }
    return at
  }
}

const closeOf = (input: Buffer, start: number, end: number): string =>
  end - start < 2 ? "without a code" : `${input.readUInt16BE(start)} ${input.toString("utf8", start + 2, end)}`
