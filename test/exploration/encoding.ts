/**
 * Worlds as a few integers. Each part of a world is kept once and named by a
 * number; the names are exact, nothing is hashed away.
 */
import type { Session } from "holdfast"
import type { End } from "./end.js"
import type { Client, Connection, Host, Removal, Store, World } from "./world.js"

/** Gives equal values the same number, from 1 on; 0 is for none. */
class Pool<A extends object> {
  private readonly values: Array<A> = []
  private readonly byKey = new Map<string, number>()
  /** Those that are kept, by identity: most parts of a world are those of the world before. */
  private readonly kept = new WeakMap<A, number>()

  constructor(private readonly keyOf: (value: A) => string) {}

  number(value: A): number {
    const kept = this.kept.get(value)
    if (kept !== undefined) return kept
    const key = this.keyOf(value)
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    this.values.push(value)
    const next = this.values.length
    this.byKey.set(key, next)
    this.kept.set(value, next)
    return next
  }

  value(number: number): A {
    const value = this.values[number - 1]
    if (value === undefined) throw new Error(`nothing has the number ${number}`)
    return value
  }
}

const keyOfState = (state: Session.State): string => {
  const { acked, ackSent, appended, generation, highest, link, processed, received, recorded, sent, transmitted } =
    state
  const attached = link._tag === "Attached" ? link.generation : link._tag
  const out = `${sent},${appended},${transmitted},${highest},${acked}`
  return `${attached},${generation},${out},${received},${processed},${recorded},${ackSent},${state.window}`
}

const keyOfEnd = ({ ackDue, handled, inbox, released, state, transmitDue }: End): string =>
  `${keyOfState(state)};${handled},${released},${transmitDue ? 1 : 0}${ackDue ? 1 : 0};${inbox.join(",")}`

const keyOfClient = ({ attempts, connection, end, over, place }: Client): string =>
  over === "" ? `${keyOfEnd(end)};${connection},${attempts},${place}` : over

const keyOfHost = (host: Host): string => {
  const { appending, authors, connection, end, expiry, generation, recording, storedAcked } = host
  const asked = `${appending},${storedAcked};${recording.join(",")}`
  return `${keyOfEnd(end)};${generation},${connection},${asked};${expiry},${authors}`
}

const keyOfConnection = (one: Connection): string => {
  const { answer, hello } = one
  const said = hello === undefined ? "" : `${hello.secret},${hello.processed},${hello.oldest}`
  const answered =
    answer === undefined
      ? ""
      : `${answer._tag},${answer.generation},${answer.sent},${answer.acked},${answer.processed},${answer.authors},${answer.began}`
  const open = `${one.isOpenAtClient ? 1 : 0}${one.isOpenAtServer ? 1 : 0}${one.isProven ? 1 : 0}`
  const ways = `${one.up.join(",")};${one.down.join(",")}`
  return `${one.id},${one.place},${open},${one.told},${one.generation};${said};${answered};${ways}`
}

const keyOfStore = (store: Store): string => {
  const { acked, attempt, authors, generation, gone, isExpiring, previousSecret, processed, sent } = store
  const counts = `${sent},${acked},${processed},${authors}`
  return `${gone},${generation},${previousSecret},${attempt},${counts},${isExpiring ? 1 : 0}`
}

type Rest = Pick<World, "faults" | "removals">

const keyOfRest = ({ faults, removals }: Rest): string => {
  const { cuts, expiries, handlerFailures, moves, storeFailures } = faults
  const left = removals.map(({ generation, place, tombstone }: Removal) => `${place}${generation}${tombstone}`)
  return `${cuts},${moves},${storeFailures},${expiries},${handlerFailures};${left.join(",")}`
}

/** Connections that there may be at a time. */
const maxConnections = 5

export class Encoding {
  /** Integers of a world. */
  readonly width = 5 + maxConnections
  private readonly clients = new Pool(keyOfClient)
  private readonly hosts = new Pool(keyOfHost)
  private readonly stores = new Pool(keyOfStore)
  private readonly connections = new Pool(keyOfConnection)
  private readonly rests = new Pool(keyOfRest)

  encode(world: World, into: Int32Array): void {
    const { client, connections, faults, hosts, removals, store } = world
    if (connections.length > maxConnections) throw new Error("more connections than were thought of")
    into[0] = this.clients.number(client)
    into[1] = hosts[0] === undefined ? 0 : this.hosts.number(hosts[0])
    into[2] = hosts[1] === undefined ? 0 : this.hosts.number(hosts[1])
    into[3] = this.stores.number(store)
    into[4] = this.rests.number({ faults, removals })
    for (let i = 0; i < maxConnections; i++) {
      const connection = connections[i]
      into[5 + i] = connection === undefined ? 0 : this.connections.number(connection)
    }
  }

  decode(from: Int32Array): World {
    const [client = 0, first = 0, second = 0, store = 0, rest = 0] = from
    const { faults, removals } = this.rests.value(rest)
    return {
      client: this.clients.value(client),
      hosts: [this.hostOf(first), this.hostOf(second)],
      connections: [...from.subarray(5)].filter((number) => number > 0).map((number) => this.connections.value(number)),
      store: this.stores.value(store),
      removals,
      faults
    }
  }

  private hostOf(number: number): Host | undefined {
    return number === 0 ? undefined : this.hosts.value(number)
  }
}
