/**
 * The names of keys and channels. All of one session, and all of one topic,
 * have the same hash tag, so that they live in one slot of a cluster and a
 * script may touch them together.
 */

/** Characters that would end a hash tag, or would not survive UTF-8: a lone surrogate. */
const special = /[%{}]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Text as it can be part of a key, and is told apart from any other text. */
export const escape = (text: string): string => text.replace(special, (unit) => `%${unit.charCodeAt(0).toString(16)};`)

export const unescape = (text: string): string =>
  text.replace(/%([0-9a-f]+);/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

/** Kinds of things that have a hash tag of their own. */
type Kind =
  /** A session. */
  | "s"
  /** A topic. */
  | "t"
  /** The sessions of a principal. */
  | "p"
  /** A part of all sessions, to count them. */
  | "c"
  /** The topics that a session is a member of. */
  | "m"
  /** The channel of a node. */
  | "n"
  /** The gateways. */
  | "g"
  /** Nothing: whether it can be written. */
  | "w"

/** The name of a thing, and the beginning of those of its keys. */
export const tagged = (prefix: string, kind: Kind, name: string): string => `${prefix}:{${kind}:${escape(name)}}`
