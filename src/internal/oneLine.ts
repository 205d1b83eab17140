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
const decoder = new TextDecoder()

/**
 * Bytes of a reason in a message of the protocol: escaped, and beside the longest name of a topic, they leave a frame within
 * `envelopeBytes`, so that a client of the smallest `maxMessage` can be told.
 */
const mostSaid = 200

/** A reason of the application's as it is sent to the other end: one line, and at most 200 bytes of UTF-8. */
export const saidReason = (reason: string): string => {
  const bytes = new Uint8Array(mostSaid)
  const { written } = encoder.encodeInto(oneLine(reason, mostSaid), bytes)
  return decoder.decode(bytes.subarray(0, written))
}
