/** The parts of a message that has not come whole, and the bytes that all sessions of a gateway may hold of such. */
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Malformed, type Payload } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import { malformed } from "../../protocol/validate.js"

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

/** One that holds parts of a message that is not whole. */
export interface Holder {
  /** Forgets them, for others that need the room; a client that is there is sent away. */
  readonly giveWay: () => void
}

/**
 * The bytes that all together may hold. Where there is no room those give way whose clients are away, the longest away first, and
 * then those to whom nothing more has come for so long that a connection would be dead.
 */
export class UnfinishedBytes {
  private held = 0
  private readonly away = new Set<Holder>()
  /** The others, and when each had its last piece: the longest ago first. */
  private readonly here = new Map<Holder, number>()

  /** `patience` and what `now` gives are milliseconds. */
  constructor(
    private readonly most: number,
    private readonly patience: number,
    private readonly now: () => number
  ) {}

  private fits(size: number): boolean {
    return this.held + size <= this.most
  }

  /** False where there is no room for so many more. */
  take(holder: Holder, size: number): boolean {
    const now = this.now()
    for (const other of this.away) {
      if (this.fits(size)) break
      other.giveWay()
    }
    for (const [other, at] of this.here) {
      if (this.fits(size) || now - at < this.patience) break
      if (other !== holder) other.giveWay()
    }
    if (!this.fits(size)) return false
    this.held += size
    this.here.delete(holder)
    this.here.set(holder, now)
    return true
  }

  /** It holds nothing any more, where it was so many. */
  giveBack(holder: Holder, size: number): void {
    this.held -= size
    this.away.delete(holder)
    this.here.delete(holder)
  }

  left(holder: Holder): void {
    if (this.here.delete(holder)) this.away.add(holder)
  }

  isBack(holder: Holder): void {
    if (this.away.delete(holder)) this.here.set(holder, this.now())
  }
}

export class PartReceiver {
  private pieces: Array<Payload> = []
  private bytes = 0

  constructor(
    private readonly holder: Holder,
    private readonly unfinished: UnfinishedBytes | undefined
  ) {}

  /** Keeps one more piece; false where there is no room for it. The first of a message begins it anew. */
  keep({ at, piece, until }: Pick<Piece, "at" | "piece" | "until">): boolean {
    if (at === 0) this.drop()
    if (this.unfinished?.take(this.holder, until - at) === false) return false
    this.pieces.push(piece)
    this.bytes += until - at
    return true
  }

  drop(): void {
    if (this.bytes === 0) return
    this.unfinished?.giveBack(this.holder, this.bytes)
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
