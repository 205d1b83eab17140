/**
 * The servers that are compared. A new one is `servers/<name>.mjs` and a line
 * here; only a wire format of its own needs a file in `wires`.
 */
import type { ClusterPeer, Peer, SessionPeer, TopicPeer } from "./peer.js"
import * as holdfast from "./wires/holdfast.js"
import * as plain from "./wires/plain.js"
import * as socketIo from "./wires/socketIo.js"

export const holdfastPeer: Peer = { name: "holdfast", connect: holdfast.connect }

/** The first of each list is what the others are compared with. */
export const peers: ReadonlyArray<Peer> = [
  { name: "ws", connect: plain.connect },
  { name: "socket.io", connect: socketIo.connect },
  { name: "effect", connect: plain.connect },
  holdfastPeer
]

/** Bare `ws` and Effect's server forget a client with its connection. */
export const sessionPeers: ReadonlyArray<SessionPeer> = [
  { name: "socket.io", connect: socketIo.connect },
  { name: "holdfast", connect: holdfast.connect }
]

/** Effect's server gives nothing to several. */
export const topicPeers: ReadonlyArray<TopicPeer> = [
  { name: "ws", subscribe: plain.subscribe, publisher: plain.publisher },
  { name: "socket.io", subscribe: socketIo.join, publisher: socketIo.connect },
  { name: "holdfast", subscribe: holdfast.join, publisher: holdfast.connect }
]

export const clusterPeers: ReadonlyArray<ClusterPeer> = [
  { name: "socket.io-redis", join: socketIo.join },
  { name: "holdfast-redis", join: holdfast.join }
]
