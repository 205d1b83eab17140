/** The session's record, and the operations on it, as `SessionStore.makeMemory` has them. */
import type { Rules } from "./rules.js"
import type { Answer, Connection, Hello, Host, Removal, Store, World } from "./world.js"

/** Whether the store refuses an owner of this generation. */
export const isFenced = (rules: Rules, store: Store, generation: number): boolean =>
  store.gone !== "" || (rules.isFencing && generation !== store.generation)

/** `append` of all that the host was sent and the store has not. */
export const append = (store: Store, { authors, end }: Pick<Host, "authors" | "end">): Store => {
  const { sent } = end.state
  const has = 2 ** store.sent - 1
  return sent <= store.sent ? store : { ...store, sent, authors: (store.authors & has) | (authors & ~has) }
}

/** `acknowledge`: neither goes back. */
export const note = (
  store: Store,
  { acked, processed }: { readonly acked: number; readonly processed: number }
): Store => ({
  ...store,
  acked: Math.max(store.acked, acked),
  processed: Math.max(store.processed, processed)
})

const nothing = { generation: 0, sent: 0, acked: 0, processed: 0, authors: 0 }

/** `attach`: the store is asked for a hello, and what it answers. */
export const attach = (
  rules: Rules,
  store: Store,
  { id }: Connection,
  { secret }: Hello,
  began: number
): readonly [Store, Answer] => {
  if (secret !== store.generation && secret !== store.previousSecret) {
    return [store, { ...nothing, _tag: "Mismatch", began }]
  }
  if (store.gone !== "") return [store, { ...nothing, _tag: store.gone, began }]
  if (rules.isOrderingHellos && id <= store.attempt) return [store, { ...nothing, _tag: "Superseded", began }]
  const generation = store.generation + 1
  const next: Store = { ...store, generation, previousSecret: secret, attempt: id, isExpiring: false }
  const { acked, authors, processed, sent } = next
  return [next, { _tag: "Attached", generation, sent, acked, processed, authors, began }]
}

/** `confirm`: the secret before the current one is void. */
export const confirm = (rules: Rules, store: Store, generation: number): Store =>
  isFenced(rules, store, generation) ? store : { ...store, previousSecret: 0 }

/** `remove` of a session that has ended where it lived; fenced off, it is somebody else's. */
export const remove = (rules: Rules, world: World, removal: Removal): World => {
  const { store } = world
  const removals = world.removals.filter((other) => other !== removal)
  return isFenced(rules, store, removal.generation)
    ? { ...world, removals }
    : { ...world, removals, store: { ...store, gone: removal.tombstone } }
}
