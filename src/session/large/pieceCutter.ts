/** Cuts an encoded message into pieces that end between two characters. */
import { byteLength, type Payload } from "../../protocol/Codec.js"

export interface Piece {
  readonly piece: Payload
  /** The byte that follows it. */
  readonly until: number
}

/** A place in a text, which is counted in UTF-16 units here and in bytes on the wire. */
interface Cursor {
  readonly text: string
  readonly index: number
  readonly bytes: number
}

/** The furthest place that is at most so many bytes behind another, between two characters. */
const advance = ({ bytes, index, text }: Cursor, most: number): Cursor => {
  let at = index
  let left = most
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    const isPair = unit >= 0xd800 && unit < 0xdc00
    const size = unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPair ? 4 : 3
    if (size > left) break
    left -= size
    at += isPair ? 2 : 1
  }
  return { text, index: at, bytes: bytes + most - left }
}

export class PieceCutter {
  private cursor: Cursor | undefined

  /** The next piece, of at most so many bytes, from this byte on; undefined where there is none that begins there. */
  cut(payload: Payload, at: number, most: number): Piece | undefined {
    if (typeof payload !== "string") {
      const until = Math.min(payload.byteLength, at + most)
      return until > at ? { piece: payload.subarray(at, until), until } : undefined
    }
    const known = this.cursor
    const isKnown = known?.text === payload && known.bytes <= at
    const start = advance(isKnown ? known : { text: payload, index: 0, bytes: 0 }, at - (isKnown ? known.bytes : 0))
    const end = advance(start, most)
    // A text that has left is not held.
    this.cursor = end.index < payload.length ? start : undefined
    return start.bytes === at && end.index > start.index
      ? { piece: payload.slice(start.index, end.index), until: end.bytes }
      : undefined
  }
}

/** True for one that has more bytes than this. */
export const isLarger = (frame: Payload, most: number): boolean =>
  frame.length > most || (typeof frame === "string" && 3 * frame.length > most && byteLength(frame) > most)
