/**
 * What can make no difference any more gets one value, so that worlds which
 * differ in nothing else are explored once. `independence.ts` checks at each step
 * that it does not look at what is put aside here.
 */
import type { End } from "./end.js"
import { forgetful } from "./forgetful.js"
import { renamed } from "./renamed.js"
import type { Bounds } from "./rules.js"
import { isLate } from "./superseded.js"
import * as wire from "./wire.js"
import { type Connection, connectionOf, type Host, type Store, type World } from "./world.js"

/** An acknowledgement that nobody reads is as good as written. */
const unheard = (end: End): End =>
  end.ackDue ? { ...end, ackDue: false, state: { ...end.state, ackSent: end.state.recorded } } : end

const endOf = (end: End, isHeard: boolean): End => {
  const state = forgetful(end.state)
  const next = state === end.state ? end : { ...end, state }
  return isHeard ? next : unheard(next)
}

/** Who sent what the client has handled already is compared no more. */
const unhandled = (authors: number, { client }: World): number => (authors >> client.end.handled) << client.end.handled

const hostOf = (host: Host | undefined, world: World, canExpire: boolean): Host | undefined => {
  if (host === undefined) return undefined
  const end = endOf(host.end, connectionOf(world, host.connection)?.isOpenAtClient !== false)
  const authors = unhandled(host.authors, world)
  const expiry = host.expiry === "Untold" && !canExpire ? "Told" : host.expiry
  return end === host.end && authors === host.authors && expiry === host.expiry
    ? host
    : { ...host, end, authors, expiry }
}

const storeOf = (world: World, canExpire: boolean): Store => {
  const { client, connections, store } = world
  let asks = false
  let isHeld = client.end.state.generation !== store.generation
  for (const { answer, hello } of connections) {
    if (hello === undefined || answer !== undefined) continue
    asks = true
    if (hello.secret === store.previousSecret) isHeld = true
  }
  const attempt = asks ? store.attempt : 0
  const previousSecret = isHeld ? store.previousSecret : 0
  const authors = unhandled(store.authors, world)
  const isExpiring = store.isExpiring && canExpire
  return attempt === store.attempt &&
    previousSecret === store.previousSecret &&
    authors === store.authors &&
    isExpiring === store.isExpiring
    ? store
    : { ...store, attempt, previousSecret, authors, isExpiring }
}

const connectionsOf = ({ client, connections, hosts }: World, store: Store): ReadonlyArray<Connection> => {
  let hasChanged = false
  const next = connections.map((connection): Connection => {
    const { generation, hello, isOpenAtClient, place } = connection
    const isProven =
      connection.isProven || (hello === undefined && (store.previousSecret === 0 || generation !== store.generation))
    const told = isOpenAtClient ? connection.told : 0
    const up = wire.withoutOldNews(connection.up, hosts[place]?.end.state.acked ?? 0, !isProven)
    const down = wire.withoutOldNews(connection.down, client.end.state.acked, false)
    const isSame = isProven === connection.isProven && told === connection.told
    if (isSame && up === connection.up && down === connection.down) return connection
    hasChanged = true
    return { ...connection, isProven, told, up, down }
  })
  return hasChanged ? next : connections
}

/** Without the hellos that come too late. */
const timely = (world: World): World => {
  const connections = world.connections.filter((connection) => !isLate(connection, world))
  return connections.length === world.connections.length ? world : { ...world, connections }
}

export const normal = ({ expiries, isReduced }: Bounds, before: World): World => {
  if (before.client.over !== "" || !isReduced) return before
  const world = timely(before)
  const { client } = world
  const canExpire = world.faults.expiries < expiries
  const end = endOf(client.end, connectionOf(world, client.connection)?.isOpenAtServer !== false)
  const store = storeOf(world, canExpire)
  return renamed({
    ...world,
    client: end === client.end ? client : { ...client, end },
    hosts: [hostOf(world.hosts[0], world, canExpire), hostOf(world.hosts[1], world, canExpire)],
    store,
    connections: connectionsOf(world, store)
  })
}
