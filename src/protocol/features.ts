/**
 * The features that both ends of a connection know: each names its own, in the hello and in the welcome, and uses only
 * those. They are the connection's and not the session's: the next one may be to another version.
 */
import * as Protocol from "./Protocol.js"

export type Shared = ReadonlySet<Protocol.Feature>

/** Of a peer that names none. */
export const none: Shared = new Set()

const all: Shared = new Set(Protocol.features)

/** Those of this end's that the other has named. */
export const shared = (named: ReadonlyArray<string> | undefined): Shared => {
  if (named === undefined) return none
  const both = Protocol.features.filter((feature) => named.includes(feature))
  return both.length === all.size ? all : new Set(both)
}
