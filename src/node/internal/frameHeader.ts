/** Frames as RFC 6455 §5.2 has them: whole messages, without extensions. */

/** The first byte of a frame that is a message by itself. */
export const First = { Text: 0x81, Binary: 0x82, Ping: 0x89, Pong: 0x8a } as const

export type First = (typeof First)[keyof typeof First]

/** Larger payloads are written by themselves, not copied together with others. */
export const largePayload = 16 * 1024

/** A larger message leaves in fragments, and more than this is not given to a socket at once. */
export const largeTurn = 64 * 1024

const final = 0x80

/** A piece of a message, and the first byte of its frame. */
interface Fragment {
  readonly firstByte: number
  readonly start: number
  readonly end: number
}

/** The frames in which a message of so many bytes leaves (RFC 6455 §5.4): all of a size, so that none is too small. */
export const fragments = (first: First, length: number): ReadonlyArray<Fragment> => {
  const count = Math.max(1, Math.ceil(length / largeTurn))
  const size = Math.ceil(length / count)
  return Array.from({ length: count }, (_, i) => ({
    firstByte: (i === 0 ? first & ~final : 0) | (i === count - 1 ? final : 0),
    start: i * size,
    end: Math.min(length, (i + 1) * size)
  }))
}

/** Bytes of a header, without a mask's key. */
export const headerSize = (length: number): number => (length < 126 ? 2 : length < 0x1_0000 ? 4 : 10)

/** Writes a header at `at`, without a mask's key, and gives where it ends. */
export const writeHeader = (target: Buffer, at: number, first: number, length: number, mask: 0 | 0x80): number => {
  target[at] = first
  if (length < 126) {
    target[at + 1] = mask | length
    return at + 2
  }
  if (length < 0x1_0000) {
    target[at + 1] = mask | 126
    return target.writeUInt16BE(length, at + 2)
  }
  target[at + 1] = mask | 127
  return target.writeUInt32BE(length >>> 0, target.writeUInt32BE(Math.floor(length / 0x1_0000_0000), at + 2))
}
