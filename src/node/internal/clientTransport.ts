/** A transport of a client: each of its frames is masked with a key of its own (RFC 6455 §5.3). */
import { randomFillSync } from "node:crypto"
import type { Frame } from "../../protocol/Codec.js"
import { type First, fragments, headerSize, largeTurn, writeHeader } from "./frameHeader.js"
import type { Chunk } from "./outgoing.js"
import { WsTransport } from "./wsTransport.js"

const keySize = 4
const keys = new Int32Array(2048)
let used = keys.length

const freshKey = (): number => {
  if (used === keys.length) {
    randomFillSync(keys)
    used = 0
  }
  return keys[used++] as number // there is one
}

interface Kept {
  /** The first byte of the frame. */
  readonly first: number
  readonly frame: Frame
  /** Of the payload, in bytes. */
  readonly length: number
}

/** Writes a masked frame, and gives where it ends. `view` is of the same bytes. */
const writeMasked = (target: Buffer, view: DataView, start: number, { first, frame, length }: Kept): number => {
  const keyAt = writeHeader(target, start, first, length, 0x80)
  const key = freshKey()
  view.setInt32(keyAt, key)
  let at = keyAt + keySize
  if (typeof frame !== "string") target.set(frame, at)
  else target.write(frame, at, length === frame.length ? "latin1" : "utf8")
  const end = at + length
  for (; at + keySize <= end; at += keySize) view.setInt32(at, view.getInt32(at) ^ key)
  for (let shift = 24; at < end; at++, shift -= 8) view.setUint8(at, view.getUint8(at) ^ (key >> shift))
  return end
}

const sizeOf = (length: number): number => headerSize(length) + keySize + length

/** Frames of so many bytes in all. */
const masked = (kept: ReadonlyArray<Kept>, size: number): Buffer => {
  const bytes = Buffer.allocUnsafe(size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  for (const one of kept) at = writeMasked(bytes, view, at, one)
  return bytes
}

export class ClientTransport extends WsTransport {
  private kept: Array<Kept> = []
  protected pending = 0

  /** The WebSocket is open. */
  opened(maxFrame: number): void {
    this.read(false, maxFrame)
  }

  protected keep(first: First, frame: Frame): void {
    const length = typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength
    if (length > largeTurn) return this.keepLarge(first, frame)
    this.kept.push({ first, frame, length })
    this.pending += sizeOf(length)
    if (this.pending >= largeTurn) this.putKept()
  }

  private keepLarge(first: First, frame: Frame): void {
    this.putKept()
    const payload = typeof frame === "string" ? Buffer.from(frame) : frame
    for (const { end, firstByte, start } of fragments(first, payload.byteLength)) {
      const length = end - start
      this.put(masked([{ first: firstByte, frame: payload.subarray(start, end), length }], sizeOf(length)))
    }
  }

  protected alone(first: First, frame: Frame): Chunk {
    const length = typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength
    return masked([{ first, frame, length }], sizeOf(length))
  }

  protected putKept(): void {
    const { kept, pending } = this
    if (pending === 0) return
    this.kept = []
    this.pending = 0
    this.put(masked(kept, pending))
  }
}
