/** What a workload needs to know of a server that is compared. */

export interface Receiver {
  readonly message: (text: string) => void
  readonly lost: (why: Error) => void
}

/** One connection of the load process, as a workload sees it. Texts are ASCII. */
export interface Link {
  /** Queues a message. It leaves with `flush`, or when the read that it answers has been handled. */
  readonly send: (text: string) => void
  readonly flush: () => void
  /** Drops the connection without a word. */
  readonly destroy: () => void
}

/** Connects until messages can be sent. */
export type Connect = (port: number, receiver: Receiver) => Promise<Link>

export interface Peer {
  readonly name: string
  readonly connect: Connect
}
