/**
 * Lets the writes of one turn of the event loop leave in one system call a
 * socket: a socket is corked at its first write, and all of them are uncorked
 * together after the turn's reads have been handled.
 */
import type { Duplex } from "node:stream"

interface Corked {
  readonly socket: Duplex
  readonly flushed: () => void
}

let corked: Array<Corked> = []

const flush = (): void => {
  const sockets = corked
  corked = []
  for (const { socket } of sockets) socket.uncork()
  for (const { flushed } of sockets) flushed()
}

/** Corks a socket until the end of this turn; `flushed` is called after it was uncorked. */
export const corkForTurn = (entry: Corked): void => {
  entry.socket.cork()
  if (corked.push(entry) === 1) setImmediate(flush)
}
