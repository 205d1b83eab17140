/**
 * What has been superseded and does not know it: a gateway that owns an older
 * generation, and answers of the store about one. Whatever it does touches
 * nobody: the store fences it off, for good; its client reads nothing from it,
 * and what the client wrote to it before is on its way already. So it makes no
 * difference when it does what it does, and it is explored as though it did
 * everything at once, while the rest of the world waits. The laws compare it
 * with counters that only grow: to hold while these wait is the most that can
 * be asked.
 */
import { type Connection, connectionOf, type Place, type World } from "./world.js"

/** The gateway will learn of a generation that is not the store's any more, for a client that has left. */
export const isStale = ({ answer, isOpenAtClient }: Connection, { store }: World): boolean =>
  answer !== undefined && answer._tag === "Attached" && !isOpenAtClient && answer.generation < store.generation

/** The gateway will learn that this hello comes too late, of which nothing comes: its client has left. */
export const isLate = ({ answer, hello, id, isOpenAtClient }: Connection, { store }: World): boolean =>
  !isOpenAtClient &&
  hello !== undefined &&
  (answer === undefined ? id <= store.attempt : answer._tag === "Superseded" || answer._tag === "Mismatch")

/** Where there is such a gateway. */
export const superseded = (world: World): Place | undefined =>
  isSuperseded(world, 0) ? 0 : isSuperseded(world, 1) ? 1 : undefined

const isSuperseded = (world: World, place: Place): boolean => {
  const { connections, hosts, store } = world
  if (connections.some((connection) => connection.place === place && isStale(connection, world))) return true
  const host = hosts[place]
  if (host === undefined || (store.gone === "" && host.generation === store.generation)) return false
  if (connectionOf(world, host.connection)?.isOpenAtClient === true) return false
  // The news of its own next generation are on the way: it is the owner.
  return !connections.some(({ answer, place: at }) => at === place && answer?._tag === "Attached")
}
