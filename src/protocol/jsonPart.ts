/** A `part` or a `chunk` in JSON: an object on a line of its own, and behind it the piece as it is, so that nothing in it is escaped twice. */
import { envelopeBytes, type Frame, type Payload } from "./frame.js"
import type * as Protocol from "./Protocol.js"

export const part = ({ ack, at, confirm, of, seq }: Protocol.PartHead, piece: Payload): Frame =>
  `{"type":"part","seq":${seq},"ack":${ack}${confirm === true ? ',"confirm":true' : ""},"at":${at},"of":${of}}\n${piece as string}` // of this codec's `payload`

export const chunk = ({ at, name, of }: Protocol.ChunkHead, piece: Payload): Frame =>
  `{"type":"chunk","name":${JSON.stringify(name)},"at":${at},"of":${of}}\n${piece as string}` // of this codec's frames

/** The fields of either with its piece, or undefined if it is something else. The line of one has room in an envelope. */
export const read = (text: string): unknown => {
  if (!text.startsWith("{")) return undefined
  const end = text.indexOf("\n")
  if (end < 0 || end > envelopeBytes) return undefined
  let head: unknown
  try {
    head = JSON.parse(text.slice(0, end))
  } catch {
    return undefined
  }
  if (typeof head !== "object" || head === null || !("type" in head)) return undefined
  const { type } = head
  if (type !== "part" && type !== "chunk") return undefined
  return { ...head, piece: text.slice(end + 1) }
}
