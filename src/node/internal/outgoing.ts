/**
 * The way to a socket: it is given more once it has let go what it had, at most 64 KiB at a time. Node writes all that waits in a
 * socket at once, and tells of no byte before the last: so what leaves is seen, and a ping passes what was not given yet.
 */
import type { Socket } from "node:net"
import { largeTurn } from "./frameHeader.js"

/** Whole frames: a character for each byte, bytes, or a header and its payload. */
export type Chunk = string | Uint8Array | { readonly header: Uint8Array; readonly payload: Uint8Array }

const sizeOf = (chunk: Chunk): number =>
  typeof chunk !== "string" && "header" in chunk ? chunk.header.length + chunk.payload.length : chunk.length

/** Gives a socket one more, if it still takes something. */
export const give = (socket: Socket, chunk: Chunk): void => {
  if (!socket.writable) return
  if (typeof chunk === "string") socket.write(chunk, "latin1")
  else if (!("header" in chunk)) socket.write(chunk)
  else {
    socket.cork()
    socket.write(chunk.header)
    socket.write(chunk.payload)
    socket.uncork()
  }
}

/** What has to wait for a socket: most never let anything wait. */
export class Outgoing {
  /** Bytes that the socket was not given. */
  bytes = 0
  private readonly chunks: Array<Chunk> = []

  constructor(private readonly socket: Socket) {}

  /** True while the socket is not given the rest, because it has not let go what it has. */
  get isWaiting(): boolean {
    return this.bytes > 0 && this.socket.writableLength > 0
  }

  push(chunk: Chunk): void {
    this.chunks.push(chunk)
    this.bytes += sizeOf(chunk)
  }

  /** A control frame may come between the fragments of a message (RFC 6455 §5.4). */
  pushFirst(chunk: Chunk): void {
    this.chunks.unshift(chunk)
    this.bytes += sizeOf(chunk)
  }

  /** Gives the socket the next, for as long as the network takes it at once. */
  advance(): void {
    while (this.bytes > 0 && this.socket.writableLength === 0) this.give(largeTurn)
  }

  /** Gives the socket the rest: something is to be sent behind it that does not come this way. */
  finish(): void {
    if (this.bytes > 0) this.give(Number.POSITIVE_INFINITY)
  }

  /** Gives at least one chunk, and more up to so many bytes, in one write. */
  private give(most: number): void {
    let size = 0
    let count = 0
    for (const chunk of this.chunks) {
      if (count > 0 && size + sizeOf(chunk) > most) break
      size += sizeOf(chunk)
      count++
    }
    this.bytes -= size
    this.socket.cork()
    for (const chunk of this.chunks.splice(0, count)) give(this.socket, chunk)
    this.socket.uncork()
  }
}
