/** What is on the way between client and gateway, as small numbers; an acknowledgement is its own number. */

/** Sequence numbers and generations are below this. */
const base = 64
const dataBase = base
const partBase = dataBase + base * base
const welcomeBase = partBase + 2 * base * base
/** What was received, in a welcome, is below this. */
const few = 32
const farewellBase = welcomeBase + base * few * 2 * base

/** Every code is below this. */
export const codes = farewellBase + base

/** Message `seq` with the acknowledgement `ack`. */
export const data = (seq: number, ack: number): number => dataBase + seq * base + ack

/** One half of message `seq`, the first or the last, with the acknowledgement `ack`. */
export const part = (seq: number, half: 0 | 1, ack: number): number => partBase + (half * base + seq) * base + ack

/** All messages up to `seq`, and so many halves of the next. */
export interface Reception {
  readonly seq: number
  readonly bytes: number
}

/** A session resumed: its generation, the last message of the client that was processed, and what was received. */
export const welcome = (generation: number, processed: number, { bytes, seq }: Reception): number =>
  welcomeBase + ((generation * few + seq) * 2 + bytes) * base + processed

/** Last words on a connection. */
export const farewells = [
  "welcome to another session: expired",
  "welcome to another session: secret",
  "4411: the session has ended",
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
  | { readonly _tag: "Part"; readonly seq: number; readonly half: 0 | 1; readonly ack: number }
  | { readonly _tag: "Welcome"; readonly generation: number; readonly processed: number; readonly received: Reception }
  | { readonly _tag: "Farewell"; readonly words: (typeof farewells)[number] }

export const read = (code: number): Message => {
  if (code < dataBase) return { _tag: "Ack", ack: code }
  if (code < partBase) return { _tag: "Data", seq: Math.floor((code - dataBase) / base), ack: code % base }
  if (code < welcomeBase) {
    const rest = Math.floor((code - partBase) / base)
    return { _tag: "Part", seq: rest % base, half: rest < base ? 0 : 1, ack: code % base }
  }
  if (code < farewellBase) {
    const rest = Math.floor((code - welcomeBase) / base)
    const received = { seq: Math.floor(rest / 2) % few, bytes: rest % 2 }
    return { _tag: "Welcome", generation: Math.floor(rest / 2 / few), processed: code % base, received }
  }
  return { _tag: "Farewell", words: farewells[code - farewellBase] ?? farewells[1] }
}

export const show = (code: number): string => {
  const message = read(code)
  switch (message._tag) {
    case "Ack":
      return `ack ${message.ack}`
    case "Data":
      return `data ${message.seq} (ack ${message.ack})`
    case "Part":
      return `${message.half === 0 ? "first" : "last"} half of data ${message.seq} (ack ${message.ack})`
    case "Welcome": {
      const { generation, processed, received } = message
      return `welcome generation ${generation} (processed ${processed}, received ${received.seq} and ${received.bytes} halves)`
    }
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
