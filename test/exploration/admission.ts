/** What a gateway does with a connection until the session is attached to it, as `gateway/admission.ts` does it. */
import { apply, fromState, receptionOf } from "./end.js"
import { movedAway, takenOver } from "./gateway.js"
import { type Bounds, Broken, type Rules } from "./rules.js"
import * as store from "./store.js"
import type { Emit } from "./transition.js"
import * as wire from "./wire.js"
import {
  type Answer,
  type Connection,
  connectionOf,
  type Hello,
  type Host,
  type World,
  withConnection,
  withHost
} from "./world.js"

const words = (name: string) => ({
  asks: `${name} asks the store for the session`,
  asksLost: `${name} asks the store for the session, which attaches it without an answer`,
  answered: `${name} hears what the store has of the session`,
  cut: `cut before the welcome, which ${name} sees`,
  sees: `${name} sees the cut before its welcome`
})

const labels = [words("A"), words("B")] as const

export const transitions = (rules: Rules, bounds: Bounds, world: World, connection: Connection, emit: Emit): void => {
  const { answer, hello, isOpenAtClient, isOpenAtServer, place } = connection
  const label = labels[place]
  if (hello === undefined) return
  if (answer === undefined) ask(rules, bounds, world, connection, hello, emit)
  else emit(label.answered, () => answered(rules, bounds, world, connection, hello, answer))
  if (!isOpenAtServer) return
  if (isOpenAtClient && world.faults.cuts >= bounds.cuts) return
  const faults = isOpenAtClient ? { ...world.faults, cuts: world.faults.cuts + 1 } : world.faults
  const gone = () => ({ ...withConnection(world, { ...connection, isOpenAtServer: false }), faults })
  emit(isOpenAtClient ? label.cut : label.sees, gone, isOpenAtClient)
}

const ask = (rules: Rules, bounds: Bounds, world: World, connection: Connection, hello: Hello, emit: Emit): void => {
  const { place } = connection
  const began = world.hosts[place]?.generation ?? 0
  const isLocked = world.connections.some((other) => other.place === place && other.answer?.began === began)
  if (began > 0 && isLocked) return
  const attach = () => store.attach(rules, world.store, connection, hello, began)
  emit(labels[place].asks, () => {
    const [next, answer] = attach()
    return withConnection({ ...world, store: next }, { ...connection, answer })
  })
  if (world.faults.storeFailures >= bounds.storeFailures) return
  const faults = { ...world.faults, storeFailures: world.faults.storeFailures + 1 }
  const fail = () => turnedAway({ ...world, faults, store: attach()[0] }, connection, wire.tryLater)
  emit(labels[place].asksLost, fail, true)
}

const turnedAway = (world: World, connection: Connection, words: number): World =>
  withConnection(world, {
    ...connection,
    hello: undefined,
    answer: undefined,
    isOpenAtServer: false,
    down: connection.isOpenAtServer ? [...connection.down, words] : connection.down
  })

const answered = (
  rules: Rules,
  bounds: Bounds,
  world: World,
  connection: Connection,
  hello: Hello,
  answer: Answer
): World => {
  switch (answer._tag) {
    case "Expired":
      return turnedAway(world, connection, wire.expired)
    case "Ended":
      return turnedAway(world, connection, wire.ended)
    case "Mismatch":
      return turnedAway(world, connection, wire.secret)
    case "Superseded":
      return turnedAway(world, connection, wire.takenOver)
    case "Attached":
      return attached(rules, bounds, world, connection, hello, answer)
  }
}

/** The store says that the session is this gateway's now. */
const attached = (
  rules: Rules,
  bounds: Bounds,
  world: World,
  connection: Connection,
  hello: Hello,
  answer: Answer
): World => {
  const { place } = connection
  const { began, generation } = answer
  const removal = world.removals.find((one) => one.place === place && one.generation === began)
  if (removal !== undefined) {
    // It ended while the store answered; its removal waits for this generation.
    const removals = world.removals.map((one) => (one === removal ? { ...one, generation } : one))
    const words = removal.tombstone === "Expired" ? wire.expired : wire.ended
    return turnedAway({ ...world, removals }, connection, words)
  }
  const known = world.hosts[place]
  if (known !== undefined && known.generation >= generation) return turnedAway(world, connection, wire.takenOver)
  // What lives here is the session as it stands only if nobody else has had it since.
  if (known?.generation === generation - 1) {
    return connect(rules, bounds, world, connection, hello, { ...known, generation })
  }
  return connect(rules, bounds, movedAway(world, place), connection, hello, restored(rules, world, answer))
}

const restored = (rules: Rules, world: World, answer: Answer): Host => ({
  end: fromState(rules.restored(world.client.end.state.window, answer)),
  generation: answer.generation,
  connection: -1,
  storedAcked: 0,
  appending: 0,
  recording: [],
  expiry: "None",
  authors: answer.authors
})

/** Has the connection act for the session, after the welcome. */
const connect = (
  rules: Rules,
  bounds: Bounds,
  world: World,
  connection: Connection,
  hello: Hello,
  host: Host
): World => {
  const { id, place } = connection
  const { generation } = host
  const heard: Connection = { ...connection, hello: undefined, answer: undefined }
  if (!connection.isOpenAtServer) {
    // The connection that the store's newest generation was for is gone already.
    const expiry = host.connection === -1 ? "Untold" : host.expiry
    return withConnection(withHost(world, place, { ...host, expiry }), heard)
  }
  const told = host.end.state.recorded
  const received = receptionOf(host.end, bounds)
  const peer = { peerProcessed: hello.processed, peerReceived: hello.received, peerOldest: hello.oldest }
  const { end } = apply(rules, host.end, { _tag: "Attach", generation, ...peer, told })
  if (end.state === host.end.state) throw new Broken("the resume of a correct client is refused")
  const next = withHost(world, place, { ...host, end, connection: id, expiry: "None" })
  const welcomed = { ...heard, generation, down: [...connection.down, wire.welcome(generation, told, received)] }
  return withConnection(replaced(rules, next, host, end), welcomed)
}

/** What is late of the connection that acted before touches nothing. */
const replaced = (rules: Rules, world: World, before: Host, { state }: Host["end"]): World => {
  const old = connectionOf(world, before.connection)
  if (old === undefined) return world
  const { generation } = old
  const late = [
    { _tag: "Detach", generation },
    { _tag: "Acknowledged", generation, ack: state.highest },
    { _tag: "Received", generation, message: { seq: state.received + 1 }, ack: 0 },
    { _tag: "Received", generation, message: { seq: state.received + 9 }, ack: state.highest + 9 }
  ] as const
  for (const event of late) {
    const [next, effects] = rules.step(state, event)
    if (next !== state || effects.length > 0)
      throw new Broken(`${event._tag} of a connection that was taken over counts`)
  }
  return withConnection(world, takenOver(old))
}
