/** Frames as they are sent: what they carry, and their size. */

/**
 * The content of one WebSocket message.
 *
 * @since 0.1.0
 * @category models
 */
export type Frame = string | Uint8Array

/**
 * The encoded body of an application message: JSON text or MessagePack bytes.
 * It is made once, and framed again for each retransmission.
 *
 * @since 0.1.0
 * @category models
 */
export type Payload = string | Uint8Array

/**
 * Room that a `data` envelope may take beside its body, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export const envelopeBytes = 1024

/** Of so few characters it is seen here that they are ASCII, sooner than a call of the platform's answers. */
const shortText = 256
const encoder = new TextEncoder()
/** Longer texts are encoded to be measured: their every character is a turn of a loop otherwise. */
const scratch = new Uint8Array(16 * 1024)
/** Units of a text that have room in it, whatever they are. */
const slice = Math.floor(scratch.byteLength / 3)

const isShortAscii = (text: string): boolean => {
  if (text.length > shortText) return false
  let all = 0
  for (let i = 0; i < text.length; i++) all |= text.charCodeAt(i)
  return all < 0x80
}

/** Not between the halves of a pair. */
const endOfSlice = (text: string, at: number): number => {
  const end = at + slice
  if (end >= text.length) return text.length
  const last = text.charCodeAt(end - 1)
  return last >= 0xd800 && last < 0xdc00 ? end - 1 : end
}

/**
 * The size of a frame or payload in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export const byteLength = (frame: Frame): number => {
  if (typeof frame !== "string") return frame.byteLength
  if (isShortAscii(frame)) return frame.length
  if (frame.length <= slice) return encoder.encodeInto(frame, scratch).written
  let bytes = 0
  for (let at = 0; at < frame.length; ) {
    const end = endOfSlice(frame, at)
    bytes += encoder.encodeInto(frame.slice(at, end), scratch).written
    at = end
  }
  return bytes
}
