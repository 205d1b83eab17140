/** Everything that can happen next. */
import * as admission from "./admission.js"
import * as client from "./client.js"
import * as gateway from "./gateway.js"
import type { Bounds, Rules } from "./rules.js"
import * as store from "./store.js"
import { isStale, superseded } from "./superseded.js"
import type { Emit } from "./transition.js"
import type { Place, World } from "./world.js"

export const transitions = (rules: Rules, bounds: Bounds, world: World, emit: Emit): void => {
  if (world.client.over !== "") return
  const place = bounds.isReduced ? superseded(world) : undefined
  if (place !== undefined) return ofSuperseded(rules, bounds, world, place, emit)
  client.transitions(rules, bounds, world, emit)
  gateway.transitions(rules, bounds, world, 0, emit)
  gateway.transitions(rules, bounds, world, 1, emit)
  for (const connection of world.connections) admission.transitions(rules, bounds, world, connection, emit)
  for (const removal of world.removals) {
    // A takeover that the store is answering comes first: what it attaches is removed with it.
    const isLocked = world.connections.some(
      ({ answer, place }) => place === removal.place && answer?.began === removal.generation
    )
    if (!isLocked) emit("the store removes the session that has ended", () => store.remove(rules, world, removal))
  }
  if (world.store.gone === "" && world.store.isExpiring && world.faults.expiries < bounds.expiries) {
    const faults = { ...world.faults, expiries: world.faults.expiries + 1 }
    const gone = () => ({ ...world, faults, store: { ...world.store, gone: "Expired" as const } })
    emit("the session expires in the store", gone, true)
  }
}

/** While the rest of the world waits. */
const ofSuperseded = (rules: Rules, bounds: Bounds, world: World, place: Place, emit: Emit): void => {
  const stale = world.connections.filter((connection) => connection.place === place && isStale(connection, world))
  for (const connection of stale) admission.transitions(rules, bounds, world, connection, emit)
  const host = world.hosts[place]
  const owns = world.store.gone === "" && host?.generation === world.store.generation
  if (host === undefined || owns) return
  gateway.transitions(rules, bounds, world, place, emit)
  if (stale.length > 0) return
  emit("the gateway that was superseded is gone", () => gateway.movedAway(world, place))
}

/** All that was sent is processed and acknowledged, and both ends know; or the session is over, and the client knows why. */
export const isGoal = ({ client, hosts, store }: World): boolean => {
  if (client.over !== "") return true
  const { handled, state } = client.end
  const owner = hosts.find((host) => host?.generation === store.generation)
  return (
    owner !== undefined &&
    store.gone === "" &&
    state.acked === state.sent &&
    handled === store.sent &&
    owner.end.handled === state.sent &&
    owner.end.state.sent === store.sent &&
    owner.end.state.acked === store.sent &&
    store.acked === store.sent
  )
}
