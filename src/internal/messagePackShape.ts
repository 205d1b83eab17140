/**
 * Looks over MessagePack bytes before they are decoded. A decoder believes the
 * counts that it reads and makes room for them: five bytes may claim an array
 * of four billion items. Here every claim must be covered by bytes that are
 * there, so decoding takes memory in proportion to the frame.
 */

/** Items that a value with this first byte is followed by, and bytes of its own after the first; or why it is refused. */
type Head = readonly [items: number, bytes: number] | string

const extension = "an extension type"

const headOf = (bytes: Uint8Array, view: DataView, at: number): Head => {
  const byte = bytes[at] ?? 0xc1
  if (byte <= 0x7f || byte >= 0xe0) return [0, 0]
  if (byte <= 0x8f) return [(byte & 0x0f) * 2, 0]
  if (byte <= 0x9f) return [byte & 0x0f, 0]
  if (byte <= 0xbf) return [0, byte & 0x1f]
  const left = bytes.byteLength - at - 1
  const counted = (width: 1 | 2 | 4): number => {
    if (left < width) return Number.POSITIVE_INFINITY
    return width === 1 ? view.getUint8(at + 1) : width === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1)
  }
  switch (byte) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return [0, 0]
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return [0, 1 + counted(1)]
    case 0xc5:
    case 0xda:
      return [0, 2 + counted(2)]
    case 0xc6:
    case 0xdb:
      return [0, 4 + counted(4)]
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return [0, 1]
    case 0xcd:
    case 0xd1:
      return [0, 2]
    case 0xca: // float 32
    case 0xce:
    case 0xd2:
      return [0, 4]
    case 0xcb: // float 64
    case 0xcf:
    case 0xd3:
      return [0, 8]
    case 0xdc: // array 16
      return [counted(2), 2]
    case 0xdd:
      return [counted(4), 4]
    case 0xde: // map 16
      return [counted(2) * 2, 2]
    case 0xdf:
      return [counted(4) * 2, 4]
    case 0xc1:
      return "a byte that begins no value"
    default:
      return extension
  }
}

const isMap = (byte: number): boolean => (byte >= 0x80 && byte <= 0x8f) || byte === 0xde || byte === 0xdf

/** Arrays, maps and bytes, none of which can name a field of an object. */
const isNoKey = (byte: number): boolean =>
  (byte >= 0x80 && byte <= 0x9f) || (byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xdc && byte <= 0xdf)

/** Why these bytes are not exactly one value without extension types; undefined when they are. */
export const flaw = (bytes: Uint8Array): string | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let due = 1
  // Items that are left of what is being read, and of what it is in; negative of a map, whose every other item is a key.
  let left = 1
  const outside: Array<number> = []
  while (due > 0) {
    // Each item that is due takes a byte at least.
    if (due > bytes.byteLength - at) return "it ends too early"
    const head = headOf(bytes, view, at)
    if (typeof head === "string") return head
    const byte = bytes[at] ?? 0
    if (left < 0 && left % 2 === 0 && isNoKey(byte)) return "a key that is an array, a map or bytes"
    left -= Math.sign(left)
    if (head[0] > 0) {
      outside.push(left)
      left = isMap(byte) ? -head[0] : head[0]
    } else while (left === 0 && outside.length > 0) left = outside.pop() ?? 0
    due += head[0] - 1
    at += 1 + head[1]
    if (at > bytes.byteLength) return "it ends too early"
  }
  return at === bytes.byteLength ? undefined : "more than one value"
}
