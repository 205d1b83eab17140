/** Text of others for reasons, errors and logs: one line, and not long. */

const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu

/** At most `most` characters; what is not printed, and every gap, becomes one space. */
export const oneLine = (text: string, most = 200): string => {
  const line = text
    .slice(0, 4 * most)
    .replace(unprintable, " ")
    .trim()
  if (line.length <= most && text.length <= 4 * most) return line
  // Not half a character.
  return `${line.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}…`
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * The longest beginning of a text that takes at most so many bytes of UTF-8, and no half of a character. (`encodeInto` a buffer of that size
 * would be it; in Node 26.12 that stops a byte early now and then.)
 */
export const withinBytes = (text: string, most: number): string => {
  const bytes = encoder.encode(text.slice(0, most))
  let end = Math.min(most, bytes.length)
  // A byte in the middle of a character begins with 10.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return decoder.decode(bytes.subarray(0, end))
}

/**
 * Bytes of a reason in a message of the protocol: escaped, and beside the longest name of a topic, they leave a frame within
 * `envelopeBytes`, so that a client of the smallest `maxMessage` can be told.
 */
const mostSaid = 200

/** A reason of the application's as it is sent to the other end: one line, and at most 200 bytes of UTF-8. */
export const saidReason = (reason: string): string => withinBytes(oneLine(reason, mostSaid), mostSaid)
