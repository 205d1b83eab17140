/** A message as a list on the server has it: one byte that says what it is, and the payload. */
import type { Payload } from "../../../protocol/Codec.js"

const text = 1
const confirm = 2
const order = 4

export const encode = (payload: Payload, { isConfirmed = false, isOrder = false } = {}): Buffer => {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload
  const item = Buffer.allocUnsafe(bytes.length + 1)
  // Printable, so that a human who looks at the list can read it.
  item[0] = 0x30 + (typeof payload === "string" ? text : 0) + (isConfirmed ? confirm : 0) + (isOrder ? order : 0)
  item.set(bytes, 1)
  return item
}

interface StoredItem {
  readonly payload: Payload
  readonly confirm: boolean
  readonly isOrder: boolean
}

export const decode = (item: Buffer): StoredItem => {
  const flags = (item[0] ?? 0x30) - 0x30
  const bytes = item.subarray(1)
  return {
    // A copy: what Redis sent is one large buffer, which a view would keep.
    payload: (flags & text) !== 0 ? bytes.toString() : new Uint8Array(bytes),
    confirm: (flags & confirm) !== 0,
    isOrder: (flags & order) !== 0
  }
}
