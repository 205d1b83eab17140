/**
 * Names make no difference. While one connection stands, of the one gateway
 * that has the session, nothing remembers how many there were before: it is
 * called the first, of gateway A. Traces show it so.
 */
import type * as Session from "../../src/session/sessionMachine.js"
import type { World } from "./world.js"

const ofFirst = (state: Session.State): Session.State => ({
  ...state,
  generation: 1,
  link: { _tag: "Attached", generation: 1 }
})

/** The world is as `normal` leaves it. */
export const renamed = (world: World): World => {
  const { client, connections, hosts, removals, store } = world
  const [connection] = connections
  const host = hosts[0] ?? hosts[1]
  if (connections.length !== 1 || connection === undefined || removals.length > 0 || store.gone !== "") return world
  if (host === undefined || (hosts[0] !== undefined && hosts[1] !== undefined)) return world
  const { generation, id, isOpenAtClient, isOpenAtServer, place } = connection
  const isActing = client.connection === id && host.connection === id && isOpenAtClient && isOpenAtServer
  const isKnown = client.end.state.generation === store.generation && host.generation === store.generation
  if (!isActing || !isKnown || generation !== store.generation) return world
  if (generation === 1 && id === 0 && client.attempts === 0 && place === 0 && client.place === 0) return world
  const author = place === 0 ? 0 : 2 ** host.end.state.sent - 1
  const unhandled = -1 << client.end.handled
  const authors = (of: number): number => (of ^ author) & unhandled
  return {
    ...world,
    client: {
      ...client,
      connection: 0,
      attempts: 0,
      place: 0,
      end: { ...client.end, state: ofFirst(client.end.state) }
    },
    hosts: [
      {
        ...host,
        generation: 1,
        connection: 0,
        authors: authors(host.authors),
        end: { ...host.end, state: ofFirst(host.end.state) }
      },
      undefined
    ],
    connections: [{ ...connection, id: 0, generation: 1, place: 0 }],
    store: { ...store, generation: 1, authors: authors(store.authors) & (2 ** store.sent - 1) }
  }
}
