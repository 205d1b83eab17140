/** All that there is: a client, its connections, two gateways that may host its session, and their store. */
import * as Session from "../../src/session/sessionMachine.js"
import { after, type End, fromState } from "./end.js"
import type { Bounds, Rules } from "./rules.js"
import type { Reception } from "./wire.js"

export type Place = 0 | 1

export interface Client {
  readonly end: End
  /** Its connection's id; -1 without one. */
  readonly connection: number
  /** Hellos that asked to resume. */
  readonly attempts: number
  /** Where it dialled last. */
  readonly place: Place
  /** Why the session is over, as it was told. */
  readonly over: string
}

/** What a client says to resume. Its secret is named by the generation whose welcome brought it. */
export interface Hello {
  readonly secret: number
  readonly processed: number
  readonly oldest: number
  readonly received: Reception
}

/** What the store said to a hello, on its way to the gateway. */
export interface Answer {
  readonly _tag: "Attached" | "Superseded" | "Mismatch" | "Expired" | "Ended"
  readonly generation: number
  readonly sent: number
  readonly acked: number
  readonly processed: number
  readonly authors: number
  /** The generation of the session that lived at the gateway when it asked; 0 for none. */
  readonly began: number
}

export interface Connection {
  /** The attempt that made it; 0 made the session. */
  readonly id: number
  readonly place: Place
  readonly isOpenAtClient: boolean
  readonly isOpenAtServer: boolean
  /** Until the session is attached to it, or it has been turned away. */
  readonly hello: Hello | undefined
  /** What the hello said was processed; the client has it until it is welcomed. */
  readonly told: number
  readonly answer: Answer | undefined
  /** Of the attach; 0 before. */
  readonly generation: number
  /** The gateway has heard something on it since the attach. */
  readonly isProven: boolean
  readonly up: ReadonlyArray<number>
  readonly down: ReadonlyArray<number>
}

/** A session that lives at a gateway. */
export interface Host {
  readonly end: End
  /** That this gateway owns it as. */
  readonly generation: number
  /** The connection that acts for it; -1 without one. */
  readonly connection: number
  /** What the store was told of the client's acknowledgements. */
  readonly storedAcked: number
  /** An append that the store has carried out and not answered; 0 for none. */
  readonly appending: number
  /** Notes of what was processed that the store has carried out and not answered. */
  readonly recording: ReadonlyArray<number>
  /** Without a connection: whether the store knows, so that the session can expire. */
  readonly expiry: "None" | "Untold" | "Told"
  /** Which gateway sent each message: a bit for each, the first the lowest. */
  readonly authors: number
}

export interface Store {
  readonly gone: "" | "Expired" | "Ended"
  readonly generation: number
  /** The secret before the current one, which is named by `generation`; 0 for none. */
  readonly previousSecret: number
  readonly attempt: number
  readonly sent: number
  readonly acked: number
  readonly processed: number
  readonly authors: number
  /** No connection: it may expire. */
  readonly isExpiring: boolean
}

/** A session that has ended at a gateway, and is yet to be removed from the store. */
export interface Removal {
  readonly place: Place
  readonly generation: number
  readonly tombstone: "Expired" | "Ended"
}

/** What has happened of that which is bounded. */
export interface Faults {
  readonly cuts: number
  readonly moves: number
  readonly storeFailures: number
  readonly expiries: number
  readonly handlerFailures: number
  readonly withdrawals: number
}

export interface World {
  readonly client: Client
  readonly hosts: readonly [Host | undefined, Host | undefined]
  readonly connections: ReadonlyArray<Connection>
  readonly store: Store
  readonly removals: ReadonlyArray<Removal>
  readonly faults: Faults
}

const attached = (rules: Rules, window: number): End =>
  after(rules, fromState(Session.initial(window)), {
    _tag: "Attach",
    generation: 1,
    peerProcessed: 0,
    peerOldest: 1,
    told: 0
  })

/** A session that was made just now: its client has been welcomed at the first gateway. */
export const initial = (rules: Rules, { window }: Bounds): World => ({
  client: { end: attached(rules, window), connection: 0, attempts: 0, place: 0, over: "" },
  hosts: [
    {
      end: attached(rules, window),
      generation: 1,
      connection: 0,
      storedAcked: 0,
      appending: 0,
      recording: [],
      expiry: "None",
      authors: 0
    },
    undefined
  ],
  connections: [
    {
      id: 0,
      place: 0,
      isOpenAtClient: true,
      isOpenAtServer: true,
      hello: undefined,
      told: 0,
      answer: undefined,
      generation: 1,
      isProven: true,
      up: [],
      down: []
    }
  ],
  store: {
    gone: "",
    generation: 1,
    previousSecret: 0,
    attempt: 0,
    sent: 0,
    acked: 0,
    processed: 0,
    authors: 0,
    isExpiring: false
  },
  removals: [],
  faults: { cuts: 0, moves: 0, storeFailures: 0, expiries: 0, handlerFailures: 0, withdrawals: 0 }
})

export const connectionOf = (world: World, id: number): Connection | undefined =>
  world.connections.find((connection) => connection.id === id)

/** Puts a connection in place of what it was; what nobody can read is dropped, and what both have left is gone. */
export const withConnection = (world: World, connection: Connection): World => {
  const { answer, hello, isOpenAtClient, isOpenAtServer } = connection
  const isGone = !isOpenAtClient && !isOpenAtServer && answer === undefined
  const isRead =
    (isOpenAtServer || (connection.up.length === 0 && (hello === undefined || answer !== undefined))) &&
    (isOpenAtClient || connection.down.length === 0)
  const kept: Connection = isRead
    ? connection
    : {
        ...connection,
        up: isOpenAtServer ? connection.up : [],
        down: isOpenAtClient ? connection.down : [],
        // A hello that was heard is still needed when the store answers.
        hello: isOpenAtServer || answer !== undefined ? hello : undefined
      }
  const connections: Array<Connection> = []
  for (const other of world.connections) {
    if (other.id !== connection.id) connections.push(other)
    else if (!isGone) connections.push(kept)
  }
  return { ...world, connections }
}

export const withHost = (world: World, place: Place, host: Host | undefined): World => ({
  ...world,
  hosts: place === 0 ? [host, world.hosts[1]] : [world.hosts[0], host]
})
