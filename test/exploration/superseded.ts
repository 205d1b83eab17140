/**
 * A gateway that has been superseded and does not know it: what it does
 * touches nobody. The store fences it off, for good; its client reads nothing
 * from it, and what the client wrote to it before is on its way already. So it
 * makes no difference when it does what it does, and it is explored as though
 * it did everything at once, while the rest of the world waits. The laws
 * compare it with counters that only grow: to hold while these wait is the most
 * that can be asked.
 */
import { connectionOf, type Place, type World } from "./world.js"

/** Where there is one. */
export const superseded = (world: World): Place | undefined => {
  const { connections, hosts, store } = world
  for (const place of [0, 1] as const) {
    const host = hosts[place]
    if (host === undefined || (store.gone === "" && host.generation === store.generation)) continue
    const isHeard = connectionOf(world, host.connection)?.isOpenAtClient === true
    // The news of its own next generation are on the way: it is the owner.
    const isAttaching = connections.some(
      (connection) =>
        connection.place === place && (connection.answer?.began ?? 0) > 0 && connection.answer?._tag === "Attached"
    )
    if (!isHeard && !isAttaching) return place
  }
  return undefined
}
