/** What is on the way between client and gateway, as small numbers; an acknowledgement is its own number. */

const dataBase = 64
const welcomeBase = 256
const farewellBase = 1024

/** Message `seq` with the acknowledgement `ack`; both below 8. */
export const data = (seq: number, ack: number): number => dataBase + seq * 8 + ack

/** A session resumed: its generation, and the last message of the client that was processed. */
export const welcome = (generation: number, processed: number): number => welcomeBase + generation * 8 + processed

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
  if (code < welcomeBase) return { _tag: "Data", seq: (code - dataBase) >> 3, ack: code & 7 }
  if (code < farewellBase) return { _tag: "Welcome", generation: (code - welcomeBase) >> 3, processed: code & 7 }
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
