/**
 * Lets what is sent in one turn of the event loop leave in one system call a
 * socket: all of them write together, after the turn's reads have been handled.
 */

/** Something that has to write at the end of a turn. */
export interface Due {
  /** Gives its socket all that was sent in the turn. Tells nobody. */
  readonly flush: () => void
  /** Every socket has what it gets. */
  readonly flushed: () => void
}

let due: Array<Due> = []

const flush = (): void => {
  const all = due
  due = []
  for (const one of all) one.flush()
  for (const one of all) one.flushed()
}

/** Calls back at the end of this turn. To be asked for once a turn. */
export const atEndOfTurn = (one: Due): void => {
  if (due.push(one) === 1) setImmediate(flush)
}
