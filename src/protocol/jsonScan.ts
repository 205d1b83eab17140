/** Looks through JSON text, which parses, without making what it says. */

const Character = { quote: 0x22, comma: 0x2c, colon: 0x3a, opened: 0x5b, backslash: 0x5c, closed: 0x5d } as const
/** A brace is a bracket with this bit. */
const brace = 0x20

/** Where a string ends that begins here: its closing quote. */
const endOfString = (text: string, start: number): number => {
  let quote = text.indexOf('"', start + 1)
  while (quote >= 0) {
    let escapes = 0
    while (text.charCodeAt(quote - 1 - escapes) === Character.backslash) escapes++
    if (escapes % 2 === 0) return quote
    quote = text.indexOf('"', quote + 1)
  }
  return text.length
}

/** Counts the arrays and objects that are in one another. */
export const depth = (text: string): number => {
  let now = 0
  let most = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === Character.quote) at = endOfString(text, at)
    else if ((unit & ~brace) === Character.opened) most = Math.max(most, ++now)
    else if ((unit & ~brace) === Character.closed) now--
  }
  return most
}

/** The text of a message's body; of several the last is the one. */
export const bodyOf = (text: string): string => {
  let body = ""
  let now = 0
  let key: string | undefined
  let valueAt = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    const bracket = unit & ~brace
    if (unit === Character.quote) {
      const start = at
      at = endOfString(text, start)
      if (now === 1) key ??= JSON.parse(text.slice(start, at + 1)) as string // of a string
    } else if (now === 1 && unit === Character.colon) {
      valueAt = at + 1
    } else if (bracket === Character.opened) {
      now++
    } else if (bracket === Character.closed || unit === Character.comma) {
      if (now === 1 && key === "body") body = text.slice(valueAt, at)
      if (now === 1) key = undefined
      if (bracket === Character.closed) now--
    }
  }
  return body.trim()
}
