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

const isShortAscii = (text: string): boolean => {
  if (text.length > shortText) return false
  let all = 0
  for (let i = 0; i < text.length; i++) all |= text.charCodeAt(i)
  return all < 0x80
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
  if (frame.length * 3 <= scratch.byteLength) return encoder.encodeInto(frame, scratch).written
  let bytes = frame.length
  for (let i = 0; i < frame.length; i++) {
    const unit = frame.charCodeAt(i)
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}
