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
