/** What a client can do next, as `client/clientSession.ts` and the driver do it. */
import { acknowledge, after, apply, type End, handle, hasRoom, receive, receptionOf, transmit } from "./end.js"
import { type Bounds, Broken, type Rules } from "./rules.js"
import type { Emit } from "./transition.js"
import * as wire from "./wire.js"
import { type Client, type Connection, connectionOf, type Place, type World, withConnection } from "./world.js"

const withEnd = (world: World, end: End): World => ({ ...world, client: { ...world.client, end } })

const over = (world: World, why: string): World => ({
  ...world,
  client: { ...world.client, connection: -1, over: why }
})

export const transitions = (rules: Rules, bounds: Bounds, world: World, emit: Emit): void => {
  const { client } = world
  const { end } = client
  if (end.state.sent < bounds.clientMessages && hasRoom(end, bounds)) emit("client sends", () => send(rules, world))
  if (end.inbox.length > 0) emit("client handles a message", () => handles(rules, world) ?? world)
  givesUp(rules, bounds, world, emit)
  const connection = connectionOf(world, client.connection)
  if (connection === undefined) return dial(bounds, world, emit)
  if (end.transmitDue) emit("client writes a message", () => written(world, connection, transmit(rules, end, bounds)))
  if (end.ackDue) emit("client writes an acknowledgement", () => written(world, connection, acknowledge(rules, end)))
  if (connection.down.length > 0) emit("client reads", () => reads(rules, world, connection))
  leave(rules, bounds, world, connection, emit)
}

const written = (world: World, connection: Connection, [end, message]: readonly [End, number]): World =>
  withConnection(withEnd(world, end), { ...connection, up: [...connection.up, message] })

/** Writes what is due; undefined if nothing is. */
export const writes = (rules: Rules, bounds: Bounds, world: World): World | undefined => {
  const { connection: id, end } = world.client
  const connection = connectionOf(world, id)
  if (connection === undefined || !(end.transmitDue || end.ackDue)) return undefined
  return written(world, connection, end.transmitDue ? transmit(rules, end, bounds) : acknowledge(rules, end))
}

/** What was processed is recorded, since nobody else has to know; undefined if there is nothing to handle. */
export const handles = (rules: Rules, world: World): World | undefined => {
  if (world.client.end.inbox.length === 0) return undefined
  const end = handle(rules, world.client.end)
  return withEnd(world, after(rules, end, { _tag: "Recorded", upTo: end.state.processed }))
}

/** Nothing is kept elsewhere: what is sent is appended. */
const send = (rules: Rules, world: World): World => {
  const { effects, end } = apply(rules, world.client.end, { _tag: "Send" })
  const isAsked = effects.some((effect) => effect._tag === "Append")
  return withEnd(world, isAsked ? after(rules, end, { _tag: "Appended", upTo: end.state.sent }) : end)
}

/** Any message that is not acknowledged; only one that was never written makes a difference. */
const givesUp = (rules: Rules, bounds: Bounds, world: World, emit: Emit): void => {
  const { acked, sent } = world.client.end.state
  const withdrawals = world.faults.withdrawals + 1
  if (withdrawals > bounds.withdrawals) return
  for (let seq = acked + 1; seq <= sent; seq++) {
    const given = () => {
      const { effects, end } = apply(rules, world.client.end, { _tag: "Withdrawn", seq })
      const faults = effects.length > 0 ? { ...world.faults, withdrawals } : world.faults
      return { ...withEnd(world, end), faults }
    }
    emit("client gives up a message", given, true)
  }
}

/** The connection is lost at this end; free when the other end has lost it already, and said nothing. */
const leave = (rules: Rules, bounds: Bounds, world: World, connection: Connection, emit: Emit): void => {
  const isNew = connection.isOpenAtServer || wire.isFarewell(connection.down.at(-1))
  if (isNew && world.faults.cuts >= bounds.cuts) return
  const faults = isNew ? { ...world.faults, cuts: world.faults.cuts + 1 } : world.faults
  const leaves = () => ({ ...lost(rules, world, connection), faults })
  emit(isNew ? "cut, which the client sees" : "client sees the cut", leaves, isNew)
}

const lost = (rules: Rules, world: World, connection: Connection): World => {
  const { end } = world.client
  const detached = after(rules, end, { _tag: "Detach", generation: end.state.generation })
  const client: Client = { ...world.client, end: detached, connection: -1 }
  return withConnection({ ...world, client }, { ...connection, isOpenAtClient: false })
}

const dial = (bounds: Bounds, world: World, emit: Emit): void => {
  for (const place of [0, 1] as const) {
    if (place >= bounds.gateways) continue
    const isMove = place !== world.client.place
    if (isMove && world.faults.moves >= bounds.moves) continue
    emit(place === 0 ? "client dials A" : "client dials B", () => dialled(bounds, world, place, isMove))
  }
}

const dialled = (bounds: Bounds, world: World, place: Place, isMove: boolean): World => {
  const { acked, generation, recorded } = world.client.end.state
  const id = world.client.attempts + 1
  const connection: Connection = {
    id,
    place,
    isOpenAtClient: true,
    isOpenAtServer: true,
    hello: {
      secret: generation,
      processed: recorded,
      oldest: acked + 1,
      received: receptionOf(world.client.end, bounds)
    },
    told: recorded,
    answer: undefined,
    generation: 0,
    isProven: false,
    up: [],
    down: []
  }
  const client: Client = { ...world.client, connection: id, attempts: id, place }
  const faults = isMove ? { ...world.faults, moves: world.faults.moves + 1 } : world.faults
  return { ...world, client, faults, connections: [...world.connections, connection] }
}

const reads = (rules: Rules, world: World, from: Connection): World => {
  const [code = 0, ...down] = from.down
  const connection: Connection = { ...from, down }
  const { end } = world.client
  const { generation } = end.state
  const message = wire.read(code)
  switch (message._tag) {
    case "Ack":
    case "Data":
    case "Part":
      return withConnection(withEnd(world, receive(rules, end, generation, message)), connection)
    case "Welcome":
      return welcomed(rules, world, connection, message)
    case "Farewell": {
      if (code === wire.takenOver) throw new Broken("the client's own connection is taken over, at which it stops")
      if (code === wire.secret) throw new Broken("the secret of the client is refused")
      const left = lost(rules, world, connection)
      return code === wire.tryLater ? left : over(left, message.words)
    }
  }
}

/** The acknowledgement of what the hello told shows the server that its secret has arrived. */
const welcomed = (
  rules: Rules,
  world: World,
  connection: Connection,
  { generation, processed, received }: Extract<wire.Message, { _tag: "Welcome" }>
): World => {
  const { told } = connection
  const before = world.client.end
  const attach = {
    _tag: "Attach",
    generation,
    peerProcessed: processed,
    peerReceived: received,
    peerOldest: 1,
    told
  } as const
  const { end } = apply(rules, before, attach)
  if (end.state === before.state) throw new Broken(`the client refuses a welcome: processed ${processed}`)
  return withConnection(withEnd(world, end), { ...connection, told: 0, up: [...connection.up, told] })
}
