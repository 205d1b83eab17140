/** A transport of a server: its frames are not masked, so that one that many sockets are sent is framed once. */
import type { Socket } from "node:net"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import { First, fragments, headerSize, largePayload, largeTurn, writeHeader } from "./frameHeader.js"
import type { Chunk } from "./outgoing.js"
import { type ReasonedWebSocket, WsTransport } from "./wsTransport.js"

/**
 * What a socket was sent in this turn so far, framed: a character for each
 * byte, since a string of these is put together and written at less cost than
 * Buffers are. `next` is what came of it when `frame` was sent last: another
 * socket that is sent the same has the same string.
 */
class Sent {
  next: Sent | undefined

  constructor(
    readonly first: First,
    readonly frame: Frame,
    readonly bytes: string
  ) {}
}

const nothing = new Sent(First.Text, "", "")

/** The last payload that was written by itself: all sockets that are sent it hold the same bytes. */
let large: { readonly frame: Frame; readonly payload: Uint8Array } | undefined

const headers = Array.from({ length: 126 }, (_, length) => String.fromCharCode(First.Text, length))

const header = (first: First, length: number): string =>
  length < 126
    ? first === First.Text
      ? (headers[length] as string) // there is one for each
      : String.fromCharCode(first, length)
    : String.fromCharCode(first, 126, length >> 8, length & 0xff)

/** A character for each byte. */
const characters = (bytes: Uint8Array): string => {
  // A ping's: not worth a Buffer.
  if (bytes.byteLength <= 4) return Reflect.apply(String.fromCharCode, undefined, bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
}

const framed = (first: First, frame: Frame): string => {
  if (typeof frame !== "string") return header(first, frame.byteLength) + characters(frame)
  const length = byteLength(frame)
  // ASCII is the same in UTF-8 and Latin-1.
  if (length === frame.length) return header(first, length) + frame
  return header(first, length) + Buffer.from(frame).toString("latin1")
}

export class ServerTransport extends WsTransport {
  private sent = nothing

  /** Of a WebSocket that is open. */
  constructor(ws: ReasonedWebSocket, socket: Socket, remoteAddress: string, maxFrame: number) {
    super(ws, socket, remoteAddress)
    this.read(true, maxFrame)
  }

  protected get pending(): number {
    return this.sent.bytes.length
  }

  protected keep(first: First, frame: Frame): void {
    if (frame.length > largePayload) return this.keepLarge(first, frame)
    const { next } = this.sent
    if (next !== undefined && next.frame === frame && next.first === first) this.sent = next
    else this.sent = this.sent.next = new Sent(first, frame, this.sent.bytes + framed(first, frame))
    if (this.sent.bytes.length >= largeTurn) this.putKept()
  }

  private keepLarge(first: First, frame: Frame): void {
    this.putKept()
    if (large?.frame !== frame) large = { frame, payload: typeof frame === "string" ? Buffer.from(frame) : frame }
    const { payload } = large
    for (const { end, firstByte, start } of fragments(first, payload.byteLength)) {
      const header = Buffer.allocUnsafe(headerSize(end - start))
      writeHeader(header, 0, firstByte, end - start, 0)
      this.put({ header, payload: payload.subarray(start, end) })
    }
  }

  protected alone(first: First, frame: Frame): Chunk {
    return framed(first, frame)
  }

  override flush(): void {
    super.flush()
    // What was sent in a turn is not held beyond it.
    nothing.next = undefined
    large = undefined
  }

  protected putKept(): void {
    const { bytes } = this.sent
    this.sent = nothing
    if (bytes !== "") this.put(bytes)
  }
}
