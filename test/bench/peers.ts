/**
 * The servers that are compared. A new one is `servers/<name>.mjs` and a line
 * here; only a wire format of its own needs a file in `wires`.
 */
import type { Peer } from "./peer.js"
import * as holdfast from "./wires/holdfast.js"
import * as plain from "./wires/plain.js"

/** What the others are compared with. */
export const baseline = "ws"

export const peers: ReadonlyArray<Peer> = [
  { name: "ws", connect: plain.connect },
  { name: "holdfast", connect: holdfast.connect }
]
