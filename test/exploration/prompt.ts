/** Does at once what does not take its time in an exploration: transitions of the same kind, that nothing comes between. */
import * as client from "./client.js"
import * as gateway from "./gateway.js"
import type { Bounds, Rules } from "./rules.js"
import { type World, withHost } from "./world.js"

const places = [0, 1] as const

export const prompt = (rules: Rules, bounds: Bounds, world: World): World => {
  let current = world
  for (;;) {
    const next = once(rules, bounds, current)
    if (next === current) return bounds.isReduced ? remembered(bounds, current) : current
    current = next
  }
}

/**
 * What the client has acknowledged the store is told at once when nobody will
 * ask the store for the session any more.
 */
const remembered = (bounds: Bounds, world: World): World => {
  const { client, connections, faults, store } = world
  const [connection] = connections
  const isLast = faults.cuts === bounds.cuts && faults.storeFailures === bounds.storeFailures
  if (!isLast || connections.length !== 1 || connection === undefined || client.connection !== connection.id)
    return world
  const host = world.hosts[connection.place]
  if (host === undefined || host.connection !== connection.id || host.generation !== store.generation) return world
  const { acked, processed, recorded } = host.end.state
  if (acked === store.acked || processed !== recorded || host.recording.length > 0) return world
  return withHost({ ...world, store: { ...store, acked } }, connection.place, { ...host, storedAcked: acked })
}

const once = (rules: Rules, bounds: Bounds, world: World): World => {
  const isPrompt = bounds.prompt
  if (world.client.over !== "") return world
  let next = world
  if (isPrompt.client) next = client.handles(rules, next) ?? next
  if (isPrompt.writes) next = client.writes(rules, bounds, next) ?? next
  for (const place of places) {
    if (isPrompt.store) next = gateway.hears(rules, next, place) ?? next
    if (isPrompt.writes) next = gateway.writes(rules, bounds, next, place) ?? next
  }
  return next
}
