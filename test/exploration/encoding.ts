/** Worlds as a few integers: a number for each part. They are exact, nothing is hashed away. */
import type * as Session from "../../src/session/sessionMachine.js"
import type { End } from "./end.js"
import { Digits, keyOfList, ObjectPool, Pool } from "./pools.js"
import { codes } from "./wire.js"
import type { Answer, Client, Connection, Faults, Hello, Host, Removal, Store, World } from "./world.js"

/** Sequence numbers, generations and attempts are below this. */
const small = 8
/** Numbers of parts are below this. */
const many = 2 ** 20

const digits = new Digits()

const flag = (value: boolean): number => (value ? 1 : 0)

const links = { Detached: 0, Attached: 1, Ended: 2 } as const
const expiries = { None: 0, Untold: 1, Told: 2 } as const
const answers = { Attached: 0, Superseded: 1, Mismatch: 2, Expired: 3, Ended: 4 } as const
const gones = { "": 0, Expired: 1, Ended: 2 } as const

const keyOfState = ({ link, ...state }: Session.State): number => {
  if (link._tag === "Attached" && link.generation !== state.generation)
    throw new Error("attached as another generation")
  digits.add(links[link._tag], 3).add(state.generation, small).add(state.sent, small).add(state.appended, small)
  digits.add(state.transmitted, small).add(state.highest, small).add(state.acked, small).add(state.received, small)
  digits.add(state.begun, small).add(state.partOut, 2).add(state.partIn, 2)
  return digits.add(state.processed, small).add(state.recorded, small).add(state.ackSent, small).take()
}

const keyOfHello = ({ oldest, processed, received, secret }: Hello): number =>
  digits
    .add(secret, small)
    .add(processed, small)
    .add(oldest, small)
    .add(received.seq, small)
    .add(received.bytes, 2)
    .take()

const keyOfAnswer = (answer: Answer): number => {
  digits.add(answers[answer._tag], 5).add(answer.generation, small).add(answer.sent, small).add(answer.acked, small)
  return digits.add(answer.processed, small).add(answer.authors, 128).add(answer.began, small).take()
}

const keyOfStore = (store: Store): number => {
  digits.add(gones[store.gone], 3).add(store.generation, small).add(store.previousSecret, small)
  digits.add(store.attempt, small).add(store.sent, small).add(store.acked, small).add(store.processed, small)
  return digits.add(store.authors, 128).add(flag(store.isExpiring), 2).take()
}

const keyOfFaults = ({ cuts, expiries, handlerFailures, moves, storeFailures, withdrawals }: Faults): number => {
  digits.add(cuts, small).add(moves, small).add(expiries, small)
  return digits.add(handlerFailures, small).add(storeFailures, small).add(withdrawals, small).take()
}

const keyOfRemovals = (removals: ReadonlyArray<Removal>): string =>
  removals.map(({ generation, place, tombstone }) => `${place}${generation}${tombstone}`).join(",")

/** Lists of removals, of which there are few, are below this. */
const few = 2 ** 10
/** Connections that there may be at a time. */
const maxConnections = 5

export class Encoding {
  /** Integers of a world. */
  readonly width = 5 + maxConnections
  private readonly states = new ObjectPool(keyOfState)
  private readonly lists = new Pool((list: ReadonlyArray<number>) => keyOfList(list, codes))
  private readonly ends = new ObjectPool((end: End) => this.keyOfEnd(end))
  private readonly clients = new ObjectPool((client: Client) => this.keyOfClient(client))
  private readonly hosts = new ObjectPool((host: Host) => this.keyOfHost(host))
  private readonly stores = new ObjectPool(keyOfStore)
  private readonly hellos = new ObjectPool(keyOfHello)
  private readonly answers = new ObjectPool(keyOfAnswer)
  private readonly connections = new ObjectPool((connection: Connection) => this.keyOfConnection(connection))
  private readonly faults = new ObjectPool(keyOfFaults)
  private readonly removals = new ObjectPool(keyOfRemovals)

  encode({ client, connections, faults, hosts, removals, store }: World, into: Int32Array): void {
    if (connections.length > maxConnections) throw new Error("more connections than were thought of")
    into[0] = this.clients.number(client)
    into[1] = hosts[0] === undefined ? 0 : this.hosts.number(hosts[0])
    into[2] = hosts[1] === undefined ? 0 : this.hosts.number(hosts[1])
    into[3] = this.stores.number(store)
    into[4] = this.faults.number(faults) * few + this.removals.number(removals)
    for (let i = 0; i < maxConnections; i++) {
      const connection = connections[i]
      into[5 + i] = connection === undefined ? 0 : this.connections.number(connection)
    }
  }

  decode(from: Int32Array): World {
    const [client = 0, first = 0, second = 0, store = 0, rest = 0] = from
    const connections: Array<Connection> = []
    for (let i = 5; i < this.width; i++) {
      const number = from[i] ?? 0
      if (number > 0) connections.push(this.connections.value(number))
    }
    return {
      client: this.clients.value(client),
      hosts: [this.hostOf(first), this.hostOf(second)],
      connections,
      store: this.stores.value(store),
      removals: this.removals.value(rest % few),
      faults: this.faults.value(Math.floor(rest / few))
    }
  }

  private hostOf(number: number): Host | undefined {
    return number === 0 ? undefined : this.hosts.value(number)
  }

  private keyOfEnd({ ackDue, handled, inbox, released, state, transmitDue, written }: End): number {
    digits.add(flag(ackDue), 2).add(flag(transmitDue), 2).add(handled, small).add(released, small).add(written, small)
    const rest = digits.add(this.lists.number(inbox), 2 ** 12).take()
    // In two steps, for the pool of states takes digits of its own.
    const number = this.states.number(state)
    return digits
      .add(rest, 2 ** 23)
      .add(number, many)
      .take()
  }

  private keyOfClient({ attempts, connection, end, over, place }: Client): number | string {
    if (over !== "") return over
    const number = this.ends.number(end)
    return digits
      .add(connection + 1, small)
      .add(attempts, small)
      .add(place, 2)
      .add(number, many)
      .take()
  }

  private keyOfHost(host: Host): number {
    const number = this.ends.number(host.end)
    const recording = keyOfList(host.recording, small)
    digits
      .add(host.generation, small)
      .add(host.connection + 1, small)
      .add(host.storedAcked, small)
    digits.add(host.appending, small).add(expiries[host.expiry], 3).add(host.authors, 128)
    return digits.add(Number(recording), 64).add(number, many).take()
  }

  private keyOfConnection(connection: Connection): number | string {
    const { answer, down, hello, up } = connection
    const ways = [this.lists.number(up), this.lists.number(down)] as const
    const greeting = [hello && this.hellos.number(hello), answer && this.answers.number(answer)] as const
    digits
      .add(connection.id, small)
      .add(connection.place, 2)
      .add(connection.told, small)
      .add(connection.generation, small)
    digits
      .add(flag(connection.isOpenAtClient), 2)
      .add(flag(connection.isOpenAtServer), 2)
      .add(flag(connection.isProven), 2)
    if (hello !== undefined || answer !== undefined) return `${digits.take()};${ways};${greeting}`
    return digits
      .add(ways[0], 2 ** 19)
      .add(ways[1], 2 ** 19)
      .take()
  }
}
