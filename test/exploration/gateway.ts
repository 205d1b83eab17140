/** What a gateway that hosts the session can do next, as the driver, `hostedSession.ts` and `handlerLoop.ts` do it. */
import { acknowledge, after, apply, type End, handle, hasRoom, receive, transmit } from "./end.js"
import type { Bounds, Rules } from "./rules.js"
import * as store from "./store.js"
import type { Emit } from "./transition.js"
import * as wire from "./wire.js"
import { type Connection, connectionOf, type Host, type Place, type World, withConnection, withHost } from "./world.js"

const words = (name: string) => ({
  sends: `${name} sends, and the store appends it`,
  appendedLost: `${name} does not hear that it was appended`,
  waits: `${name} sends, which waits for the append before`,
  appendsMore: `the store appends what ${name} has sent`,
  appended: `${name} hears that it was appended`,
  handles: `${name} handles a message`,
  fails: `${name}'s handler fails`,
  notes: `${name} has the store note its progress`,
  notesLost: `${name} has the store note its progress without an answer`,
  noted: `${name} hears that its progress was noted`,
  fenced: `${name} is fenced off`,
  writes: `${name} writes a message`,
  acknowledges: `${name} writes an acknowledgement`,
  reads: `${name} reads`,
  readsUnconfirmed: `${name} reads, and cannot confirm the secret`,
  cut: `cut, which ${name} sees`,
  sees: `${name} sees the cut`,
  detaches: `${name} tells the store that the connection is gone`,
  expires: `${name} ends the session, which was not resumed`
})

const labels = [words("A"), words("B")] as const

const withEnd = (world: World, place: Place, host: Host, end: End): World => withHost(world, place, { ...host, end })

/** A takeover is under way here: until its outcome is known, being fenced proves nothing. */
const isAttaching = (world: World, place: Place): boolean =>
  world.connections.some((connection) => connection.place === place && (connection.answer?.began ?? 0) > 0)

export const transitions = (rules: Rules, bounds: Bounds, world: World, place: Place, emit: Emit): void => {
  const host = world.hosts[place]
  if (host === undefined) return
  const label = labels[place]
  const { end } = host
  if (host.appending > 0) emit(label.appended, () => appended(rules, world, place, host))
  for (const upTo of new Set(host.recording)) emit(label.noted, () => noted(rules, world, place, host, upTo))
  if (end.inbox.length > 0) {
    emit(label.handles, () => withEnd(world, place, host, handle(rules, end)))
    if (world.faults.handlerFailures < bounds.handlerFailures) {
      const faults = { ...world.faults, handlerFailures: world.faults.handlerFailures + 1 }
      emit(label.fails, () => ended(rules, { ...world, faults }, place, host, "Ended"), true)
    }
  }
  asksStore(rules, bounds, world, place, host, emit)
  const connection = connectionOf(world, host.connection)
  if (connection === undefined) return
  if (end.transmitDue) emit(label.writes, () => written(world, place, host, connection, transmit(rules, end, bounds)))
  if (end.ackDue) emit(label.acknowledges, () => written(world, place, host, connection, acknowledge(rules, end)))
  if (connection.up.length > 0) {
    emit(label.reads, () => reads(rules, world, place, host, connection, true))
    const canFail = !connection.isProven && world.store.previousSecret !== 0
    if (canFail) emit(label.readsUnconfirmed, () => reads(rules, world, place, host, connection, false))
  }
  const isNew = connection.isOpenAtClient
  if (isNew && world.faults.cuts >= bounds.cuts) return
  const faults = isNew ? { ...world.faults, cuts: world.faults.cuts + 1 } : world.faults
  emit(isNew ? label.cut : label.sees, () => ({ ...lost(rules, world, place, host, connection), faults }), isNew)
}

const written = (
  world: World,
  place: Place,
  host: Host,
  connection: Connection,
  [end, message]: readonly [End, number]
): World => withConnection(withEnd(world, place, host, end), { ...connection, down: [...connection.down, message] })

/** Writes what is due; undefined if nothing is. */
export const writes = (rules: Rules, bounds: Bounds, world: World, place: Place): World | undefined => {
  const host = world.hosts[place]
  const connection = host === undefined ? undefined : connectionOf(world, host.connection)
  if (host === undefined || connection === undefined || !(host.end.transmitDue || host.end.ackDue)) return undefined
  const message = host.end.transmitDue ? transmit(rules, host.end, bounds) : acknowledge(rules, host.end)
  return written(world, place, host, connection, message)
}

/** Hears what the store has carried out; undefined if there is nothing. */
export const hears = (rules: Rules, world: World, place: Place): World | undefined => {
  const host = world.hosts[place]
  if (host === undefined) return undefined
  if (host.appending > 0) return appended(rules, world, place, host)
  const upTo = host.recording[0]
  return upTo === undefined ? undefined : noted(rules, world, place, host, upTo)
}

// ---- the store

/** Operations are carried out when they are asked for and answered later; those of an owner that is fenced off end it. */
const asksStore = (rules: Rules, bounds: Bounds, world: World, place: Place, host: Host, emit: Emit): void => {
  const label = labels[place]
  const { acked, processed, recorded, sent } = host.end.state
  const sends = sent < bounds.serverMessages && hasRoom(host.end, bounds)
  const isBehind = processed !== recorded || acked !== host.storedAcked
  const notes = isBehind && host.recording.length < bounds.records && host.recording.at(-1) !== processed
  const detaches = host.expiry === "Untold"
  const appendsMore = host.appending === 0 && sent > host.end.state.appended
  if (store.isFenced(rules, world.store, host.generation)) {
    const asks = sends || appendsMore || notes || detaches
    if (asks && !isAttaching(world, place)) emit(label.fenced, () => movedAway(world, place))
    return
  }
  const failing = { ...world.faults, storeFailures: world.faults.storeFailures + 1 }
  const canFail = failing.storeFailures <= bounds.storeFailures
  if (sends) {
    const isWaiting = host.appending > 0
    emit(isWaiting ? label.waits : label.sends, () => send(rules, world, place, host))
  }
  // Carried out without an answer, it is asked for again.
  if (host.appending > 0 && canFail) {
    emit(label.appendedLost, () => ({ ...withHost(world, place, { ...host, appending: 0 }), faults: failing }), true)
  }
  if (appendsMore) emit(label.appendsMore, () => append(world, place, host))
  if (notes) {
    const recording = [...host.recording, processed]
    const told = { ...world, store: store.note(world.store, { acked, processed }) }
    emit(label.notes, () => withHost(told, place, { ...host, recording, storedAcked: acked }))
    if (canFail) emit(label.notesLost, () => ({ ...told, faults: failing }), true)
  }
  if (detaches) {
    const told = { ...world, store: { ...world.store, isExpiring: true } }
    emit(label.detaches, () => withHost(told, place, { ...host, expiry: "Told" }))
  }
  if (host.expiry === "Told" && world.faults.expiries < bounds.expiries) {
    const faults = { ...world.faults, expiries: world.faults.expiries + 1 }
    emit(label.expires, () => ended(rules, { ...world, faults }, place, host, "Expired"), true)
  }
}

const send = (rules: Rules, world: World, place: Place, host: Host): World => {
  const { effects, end } = apply(rules, host.end, { _tag: "Send" })
  const authors = host.authors | (place << (end.state.sent - 1))
  const sent = { ...host, end, authors }
  const isAsked = host.appending === 0 && effects.some((effect) => effect._tag === "Append")
  return isAsked ? append(world, place, sent) : withHost(world, place, sent)
}

/** One at a time. */
const append = (world: World, place: Place, host: Host): World =>
  withHost({ ...world, store: store.append(world.store, host) }, place, { ...host, appending: host.end.state.sent })

const appended = (rules: Rules, world: World, place: Place, host: Host): World =>
  withHost(world, place, {
    ...host,
    end: after(rules, host.end, { _tag: "Appended", upTo: host.appending }),
    appending: 0
  })

const noted = (rules: Rules, world: World, place: Place, host: Host, upTo: number): World => {
  const at = host.recording.indexOf(upTo)
  const recording = host.recording.filter((_, i) => i !== at)
  return withHost(world, place, { ...host, end: after(rules, host.end, { _tag: "Recorded", upTo }), recording })
}

// ---- the connection

const reads = (rules: Rules, world: World, place: Place, host: Host, from: Connection, isConfirmed: boolean): World => {
  const [code = 0, ...up] = from.up
  const { generation } = from
  const message = wire.read(code)
  const end = "ack" in message ? receive(rules, host.end, generation, message) : host.end
  const confirms = isConfirmed && !from.isProven
  const told = confirms ? { ...world, store: store.confirm(rules, world.store, generation) } : world
  return withConnection(withEnd(told, place, host, end), { ...from, isProven: true, up })
}

const lost = (rules: Rules, world: World, place: Place, host: Host, connection: Connection): World => {
  const { generation } = connection
  const end = after(rules, host.end, { _tag: "Detach", generation })
  const detached: Host = { ...host, end, connection: -1, expiry: "Untold" }
  return withConnection(withHost(world, place, detached), { ...connection, isOpenAtServer: false })
}

// ---- ends

/** Another gateway has the session, or it is gone. */
export const movedAway = (world: World, place: Place): World => {
  const host = world.hosts[place]
  const connection = host === undefined ? undefined : connectionOf(world, host.connection)
  const without = withHost(world, place, undefined)
  return connection === undefined ? without : withConnection(without, takenOver(connection))
}

/** Closed with 4409, at which a client stops: its own connection must never be. */
export const takenOver = (connection: Connection): Connection => ({
  ...connection,
  isOpenAtServer: false,
  down: [...connection.down, wire.takenOver]
})

/** The session ends here, and is to be removed from the store. */
const ended = (rules: Rules, world: World, place: Place, host: Host, tombstone: "Expired" | "Ended"): World => {
  after(rules, host.end, { _tag: "End" })
  const connection = connectionOf(world, host.connection)
  const removals = [...world.removals, { place, generation: host.generation, tombstone }]
  const without = withHost({ ...world, removals }, place, undefined)
  if (connection === undefined) return without
  return withConnection(without, { ...connection, isOpenAtServer: false, down: [...connection.down, wire.ended] })
}
