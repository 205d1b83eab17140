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

/** A connection that may publish to the one topic that there is. */
export interface Publisher extends Link {
  /** Queues a publication, as `send` queues a message. */
  readonly publish: (text: string) => void
}

export interface MemberReceiver extends Receiver {
  readonly publication: (text: string) => void
}

/** A server that gives what is published to all subscribers. */
export interface TopicPeer {
  readonly name: string
  /** Connects until publications are received. */
  readonly subscribe: (port: number, receiver: MemberReceiver) => Promise<Link>
  /** Connects until it may publish; it receives no publications. */
  readonly publisher: (port: number, receiver: Receiver) => Promise<Publisher>
}

/** A client with a session, and perhaps a subscription to the topic. */
export interface Member extends Publisher {
  /**
   * Connects again after `destroy`, to any server that shares the sessions, and
   * says whether the session goes on: what was missed is received then.
   */
  readonly resume: (port: number) => Promise<boolean>
}

/** A server that has sessions. */
export interface SessionPeer {
  readonly name: string
  readonly connect: (port: number, receiver: Receiver) => Promise<Member>
}

/** Connects until messages can be sent and publications are received. */
export type Join = (port: number, receiver: MemberReceiver) => Promise<Member>

/** A server of which several make a cluster. */
export interface ClusterPeer {
  readonly name: string
  readonly join: Join
}
