/** What is on the way between client and gateway, as small numbers; an acknowledgement is its own number. */

/** Sequence numbers and generations are below this. */
const base = 64
const dataBase = base
const welcomeBase = dataBase + base * base
const farewellBase = welcomeBase + base * base

/** Every code is below this. */
export const codes = farewellBase + base

/** Message `seq` with the acknowledgement `ack`. */
export const data = (seq: number, ack: number): number => dataBase + seq * base + ack

/** A session resumed: its generation, and the last message of the client that was processed. */
export const welcome = (generation: number, processed: number): number => welcomeBase + generation * base + processed

/** Last words on a connection. */
export const farewells = [
  "welcome to another session: expired",
  "welcome to another session: secret",
  "4410: the session has ended",
  "4409: a newer connection took over",
  "1013: the session store is unavailable"
] as const

export const expired = farewellBase
export const secret = farewellBase + 1
export const ended = farewellBase + 2
export const takenOver = farewellBase + 3
export const tryLater = farewellBase + 4

export const isFarewell = (code: number | undefined): boolean => code !== undefined && code >= farewellBase

export type Message =
  | { readonly _tag: "Ack"; readonly ack: number }
  | { readonly _tag: "Data"; readonly seq: number; readonly ack: number }
  | { readonly _tag: "Welcome"; readonly generation: number; readonly processed: number }
  | { readonly _tag: "Farewell"; readonly words: (typeof farewells)[number] }

export const read = (code: number): Message => {
  if (code < dataBase) return { _tag: "Ack", ack: code }
  if (code < welcomeBase) return { _tag: "Data", seq: Math.floor((code - dataBase) / base), ack: code % base }
  if (code < farewellBase)
    return { _tag: "Welcome", generation: Math.floor((code - welcomeBase) / base), processed: code % base }
  return { _tag: "Farewell", words: farewells[code - farewellBase] ?? farewells[1] }
}

export const show = (code: number): string => {
  const message = read(code)
  switch (message._tag) {
    case "Ack":
      return `ack ${message.ack}`
    case "Data":
      return `data ${message.seq} (ack ${message.ack})`
    case "Welcome":
      return `welcome generation ${message.generation} (processed ${message.processed})`
    case "Farewell":
      return message.words
  }
}

/** What a message on the way says was processed; 0 for nothing. */
const newsOf = (code: number): number => (code < farewellBase ? code % base : 0)

/**
 * The same messages without acknowledgements of what the reader will know
 * already when it reads them: they come to nothing. With `keepsFirst`, that
 * something came is news by itself.
 */
export const withoutOldNews = (
  codes: ReadonlyArray<number>,
  known: number,
  keepsFirst: boolean
): ReadonlyArray<number> => {
  let acked = known
  let hasChanged = false
  const kept: Array<number> = []
  for (const [at, code] of codes.entries()) {
    const news = newsOf(code)
    if (news > acked || code >= welcomeBase) {
      acked = Math.max(acked, news)
      kept.push(code)
    } else if (code >= dataBase) kept.push(code - news)
    else if (at === 0 && keepsFirst) kept.push(0)
    hasChanged ||= kept.length <= at || kept[at] !== code
  }
  return hasChanged ? kept : codes
}
