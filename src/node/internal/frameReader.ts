/**
 * Takes the messages, pings and pongs that come whole in one read off what a
 * socket brings, and leaves all else to `ws`: what is cut, fragmented, large,
 * or wrong, and the close. Both see every frame boundary, so that `ws` judges
 * what it gets as if there were nothing in between.
 */
import { isUtf8 } from "node:buffer"
import type { Socket } from "node:net"
import type { Frame } from "../../protocol/Codec.js"
import { First } from "./frameHeader.js"

export interface Heard {
  readonly received: (frame: Frame) => void
  readonly pinged: (payload: Uint8Array) => void
  readonly ponged: (payload: Uint8Array) => void
  /** `ws` gets a fragment of a message, of so many bytes. */
  readonly fragment: (size: number) => void
  /** The bytes that came end within a frame, of so many bytes as far as its header has come. */
  readonly partial: (size: number) => void
}

type OnData = (this: Socket, chunk: Buffer) => void

const readerOf = Symbol("holdfast/reader")

type Read = Socket & { [readerOf]?: FrameReader | undefined }

function onData(this: Read, chunk: Buffer): void {
  this[readerOf]?.read(chunk)
}

/** Before `ws` takes what a paused socket still has. */
function onClose(this: Read): void {
  this[readerOf]?.handBack()
}

const final = 0x80
const masked = 0x80
const keySize = 4
/** Of a control frame, at most (RFC 6455 §5.5). */
const mostControl = 125
/** A longer text is looked at by native code. */
const shortText = 256
/** A frame that is cut is kept until it is whole, unless it is larger. */
const smallFrame = 4096

const Opcode = { Continuation: 0, Text: 1, Binary: 2, Ping: 9, Pong: 10 } as const

/** The header of the frame that is being looked at. */
const head = { first: 0, keyAt: 0, start: 0, end: 0 }

/** Applies a mask in place, or undoes it, and tells whether the payload is ASCII. */
const unmask = (bytes: Buffer, key: number, from: number, to: number): boolean => {
  const [k0, k1, k2, k3] = [bytes[key] ?? 0, bytes[key + 1] ?? 0, bytes[key + 2] ?? 0, bytes[key + 3] ?? 0]
  let all = 0
  let at = from
  for (; at + keySize <= to; at += keySize) {
    const b0 = (bytes[at] ?? 0) ^ k0
    const b1 = (bytes[at + 1] ?? 0) ^ k1
    const b2 = (bytes[at + 2] ?? 0) ^ k2
    const b3 = (bytes[at + 3] ?? 0) ^ k3
    bytes[at] = b0
    bytes[at + 1] = b1
    bytes[at + 2] = b2
    bytes[at + 3] = b3
    all |= b0 | b1 | b2 | b3
  }
  for (; at < to; at++) {
    const byte = (bytes[at] ?? 0) ^ (bytes[key + ((at - from) & 3)] ?? 0)
    bytes[at] = byte
    all |= byte
  }
  return all < 0x80
}

/** True when a short text is, which most are. */
const isAscii = (bytes: Buffer, from: number, to: number): boolean => {
  if (to - from > shortText) return false
  let all = 0
  for (let at = from; at < to; at++) all |= bytes[at] ?? 0
  return all < 0x80
}

export class FrameReader {
  /** Bytes to come of a frame of which `ws` has the start. */
  private missing = 0
  /** Bytes of its payload. */
  private size = 0
  /** `ws` has the start of a message, whose last fragment has not come. */
  private isFragmented = false
  /** Bytes of its fragments so far. */
  private fragments = 0
  /** The start of a frame that nobody has looked at. */
  private kept: Buffer | undefined
  private isReading = true

  private constructor(
    private readonly socket: Read,
    private readonly toWs: OnData,
    private readonly keySize: number,
    private maxPayload: number,
    private readonly heard: Heard
  ) {}

  /**
   * Reads in front of `ws`, which reads the socket already and knows no extension. `isServer`: the peer's frames are masked.
   * Gives nothing where somebody else reads as well, who has to see all there is.
   */
  static attach(socket: Read, isServer: boolean, maxPayload: number, heard: Heard): FrameReader | undefined {
    const listeners: ReadonlyArray<unknown> = socket.listeners("data")
    const [toWs, another] = listeners as ReadonlyArray<OnData | undefined> // what that event has
    if (toWs === undefined || another !== undefined) return undefined
    const reader = new FrameReader(socket, toWs, isServer ? keySize : 0, maxPayload, heard)
    socket[readerOf] = reader
    socket.off("data", toWs).on("data", onData).prependListener("close", onClose)
    return reader
  }

  /** Takes messages of at most so many bytes from the next header on. */
  limit(maxPayload: number): void {
    this.maxPayload = maxPayload
  }

  /** Reads nothing more, nor does anybody else. */
  stop(): void {
    if (!this.isReading) return
    this.isReading = false
    this.socket[readerOf] = undefined
    this.socket.off("data", onData).off("close", onClose)
  }

  /** `ws` has the rest for itself. */
  handBack(): void {
    if (!this.isReading) return
    this.stop()
    this.socket.on("data", this.toWs)
    if (this.kept !== undefined) this.toWs.call(this.socket, this.kept)
  }

  read(next: Buffer): void {
    const chunk = this.kept === undefined ? next : Buffer.concat([this.kept, next])
    this.kept = undefined
    const at = this.missing > 0 ? 0 : this.take(chunk)
    if (at < chunk.length && this.isReading) this.leave(chunk, at)
  }

  /** Tells of what has come whole, and gives where there is something else. */
  private take(chunk: Buffer): number {
    let at = 0
    while (at < chunk.length && this.readHead(chunk, at) && this.isRight(chunk, at) && head.end <= chunk.length) {
      const { end } = head
      if (!this.tell(chunk)) break
      at = end
      // Who was told may have had enough.
      if (!this.isReading) break
    }
    return at
  }

  /** Tells of the frame that is being looked at, if it is for here. */
  private tell(chunk: Buffer): boolean {
    const { end, first, keyAt, start } = head
    switch (first) {
      case First.Text:
        return this.tellText(chunk)
      case First.Binary:
        if (this.keySize !== 0) unmask(chunk, keyAt, start, end)
        this.heard.received(chunk.subarray(start, end))
        return true
      case First.Ping:
        if (this.keySize !== 0) unmask(chunk, keyAt, start, end)
        this.heard.pinged(chunk.subarray(start, end))
        return true
      case First.Pong:
        if (this.keySize !== 0) unmask(chunk, keyAt, start, end)
        this.heard.ponged(chunk.subarray(start, end))
        return true
      default:
        return false
    }
  }

  private tellText(chunk: Buffer): boolean {
    const { end, keyAt, start } = head
    const isPlain = this.keySize === 0 ? isAscii(chunk, start, end) : unmask(chunk, keyAt, start, end)
    if (isPlain) {
      this.heard.received(chunk.toString("latin1", start, end))
    } else if (isUtf8(chunk.subarray(start, end))) {
      this.heard.received(chunk.toString("utf8", start, end))
    } else {
      // As it came: `ws` says what is wrong with it.
      if (this.keySize !== 0) unmask(chunk, keyAt, start, end)
      return false
    }
    return true
  }

  /**
   * Leaves to `ws` all that is there from `from` on: it tells of a violation only after that. A small frame that is cut at the
   * end is kept, so that the next read begins with it.
   */
  private leave(chunk: Buffer, from: number): void {
    let at = from + this.missing
    while (at < chunk.length) {
      const isHead = this.readHead(chunk, at)
      if (!this.isRight(chunk, at)) {
        this.handBack()
        at = chunk.length
      } else if (!isHead || (head.end > chunk.length && head.end - at <= smallFrame)) {
        // A copy of its own: the chunk may be much larger, and a pool is.
        this.kept = Buffer.allocUnsafeSlow(chunk.length - at)
        chunk.copy(this.kept, 0, at)
        this.missing = 0
        this.pass(chunk, from, at)
        return this.heard.partial(head.end - head.start)
      } else {
        const { end, start } = head
        const opcode = head.first & 0x0f
        const isFragment = opcode === Opcode.Continuation || (head.first & final) === 0
        if (opcode <= Opcode.Binary) {
          this.isFragmented = (head.first & final) === 0
          this.fragments = this.isFragmented ? this.fragments + end - start : 0
        }
        at = end
        this.size = end - start
        if (isFragment) this.heard.fragment(this.size)
        if (!this.isReading) return
      }
    }
    this.missing = at - chunk.length
    this.pass(chunk, from, chunk.length)
    if (this.missing > 0) this.heard.partial(this.size)
  }

  private pass(chunk: Buffer, from: number, to: number): void {
    // Where it finds a violation, it pauses the socket at once.
    if (from < to) this.toWs.call(this.socket, chunk.subarray(from, to))
  }

  /** Reads a header, its length as soon as that is there; false when it has not come whole. */
  private readHead(chunk: Buffer, at: number): boolean {
    const short = (chunk[at + 1] ?? 0) & 0x7f
    head.first = chunk[at] ?? 0
    head.keyAt = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    head.start = head.keyAt + this.keySize
    head.end = head.start
    if (head.keyAt > chunk.length) return false
    head.end +=
      short < 126
        ? short
        : short === 126
          ? chunk.readUInt16BE(at + 2)
          : chunk.readUInt32BE(at + 2) * 0x1_0000_0000 + chunk.readUInt32BE(at + 6)
    return head.start <= chunk.length
  }

  /** True when a frame, as far as its header is there, may come now, and others after it. */
  private isRight(chunk: Buffer, at: number): boolean {
    const second = chunk[at + 1]
    if (second !== undefined && (second & masked) !== (this.keySize === 0 ? 0 : masked)) return false
    const size = head.end - head.start
    switch (head.first & ~final) {
      case Opcode.Text:
      case Opcode.Binary:
        return !this.isFragmented && size <= this.maxPayload
      case Opcode.Continuation:
        return this.isFragmented && this.fragments + size <= this.maxPayload
      case Opcode.Ping:
      case Opcode.Pong:
        return (head.first & final) !== 0 && ((second ?? 0) & 0x7f) <= mostControl
      default:
        return false // the close among them
    }
  }
}
