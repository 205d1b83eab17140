/** The parts of a message that has not come whole, and the bytes that all sessions of a gateway may hold of such. */
import { CloseCode } from "../protocol/CloseCode.js"
import { byteLength, type Malformed, type Payload } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"
import { malformed } from "../protocol/validate.js"

/** Bytes of the smallest part but for a message's last: what many small ones cost besides, their bytes do not say. */
export const leastPart = 1024

/** Bytes that a peer allows for a part, at the least: another that names fewer is sent none. */
export const leastLimit = 4096

/** A piece that came, and where it belongs. */
export interface Piece {
  readonly seq: number
  readonly at: number
  readonly until: number
  readonly of: number
  readonly ack: number
  readonly confirm: boolean
  readonly piece: Payload
}

export const pieceOf = ({ ack, at, confirm, of, piece, seq }: Protocol.Part): Piece => ({
  seq,
  at,
  until: at + byteLength(piece),
  of,
  ack,
  confirm: confirm === true,
  piece
})

/** The flaw of a piece as such, with the close code it earns. `part` and `body` are the sizes of the largest. */
export const flawOf = (
  { at, of, until }: Pick<Piece, "at" | "of" | "until">,
  largest: { readonly part: number | undefined; readonly body: number }
): Malformed | undefined => {
  const size = until - at
  if (largest.part === undefined) return malformed("a part, though this end takes none")
  if (size > largest.part) return malformed(`a part of ${size} bytes, and the limit is ${largest.part}`)
  if (size < leastPart && until < of) {
    return malformed(`a part of ${size} bytes that is not the last, and the least is ${leastPart}`)
  }
  return of > largest.body
    ? malformed(`a body of ${of} bytes, and the limit is ${largest.body}`, CloseCode.MessageTooBig)
    : undefined
}

/** One that holds parts, and whose client may be away. */
export interface Holder {
  /** Forgets what it has of a message that is not whole. */
  readonly dropParts: () => void
}

/** The bytes that all together may hold. Those whose clients are away give way first, the longest away before the others. */
export class UnfinishedBytes {
  private held = 0
  private readonly away = new Set<Holder>()

  constructor(private readonly most: number) {}

  /** False where there is no room for so many more. */
  take(size: number): boolean {
    for (const holder of this.away) {
      if (this.held + size <= this.most) break
      this.away.delete(holder)
      holder.dropParts()
    }
    if (this.held + size > this.most) return false
    this.held += size
    return true
  }

  giveBack(size: number): void {
    this.held -= size
  }

  left(holder: Holder): void {
    this.away.add(holder)
  }

  isBack(holder: Holder): void {
    this.away.delete(holder)
  }
}

export class PartReceiver {
  private pieces: Array<Payload> = []
  private bytes = 0

  /** True while parts are held here. */
  get isHolding(): boolean {
    return this.bytes > 0
  }

  constructor(private readonly unfinished: UnfinishedBytes | undefined) {}

  /** Keeps one more piece; false where there is no room for it. The first of a message begins it anew. */
  keep({ at, piece, until }: Pick<Piece, "at" | "piece" | "until">): boolean {
    if (at === 0) this.drop()
    if (this.unfinished?.take(until - at) === false) return false
    this.pieces.push(piece)
    this.bytes += until - at
    return true
  }

  drop(): void {
    this.unfinished?.giveBack(this.bytes)
    this.pieces = []
    this.bytes = 0
  }

  /** All that is held, in one; nothing is held any more. */
  joined(): Payload {
    const { bytes, pieces } = this
    this.drop()
    if (pieces.every((piece) => typeof piece === "string")) return pieces.join("")
    const whole = new Uint8Array(bytes)
    let at = 0
    for (const piece of pieces) {
      whole.set(piece as Uint8Array, at) // of one codec's frames
      at += piece.length
    }
    return whole
  }
}
