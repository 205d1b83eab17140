/** A `part` in JSON: an object on a line of its own, and behind it the piece as it is, so that nothing in it is escaped twice. */
import type { Frame, Payload } from "./frame.js"
import type * as Protocol from "./Protocol.js"

export const write = ({ ack, at, confirm, of, seq }: Protocol.PartHead, piece: Payload): Frame =>
  `{"type":"part","seq":${seq},"ack":${ack}${confirm === true ? ',"confirm":true' : ""},"at":${at},"of":${of}}\n${piece as string}` // of this codec's `payload`

/** The line of a part, without the piece. */
const line = /^\{[^\n]*"type"\s*:\s*"part"[^\n]*\}$/

/** The fields of a part with its piece, or undefined if it is something else. */
export const read = (text: string): unknown => {
  const end = text.indexOf("\n")
  if (end < 0) return undefined
  const head = text.slice(0, end)
  if (!line.test(head)) return undefined
  try {
    return { ...(JSON.parse(head) as object), piece: text.slice(end + 1) }
  } catch {
    return undefined
  }
}
