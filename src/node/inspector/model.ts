/** The answers of the inspector's HTTP API, as JSON. Times are milliseconds since the epoch; what is not known is null. */

export interface Sizes {
  readonly messages: number
  readonly bytes: number
}

export interface SessionRow {
  readonly id: string
  readonly principal: string
  readonly node: string
  readonly since: number
  readonly generation: number
  /** Null while the client is away. */
  readonly connection: {
    readonly address: string
    readonly since: number
    readonly lastActivity: number
    readonly roundTrip: number | null
    readonly heartbeatsMissed: number
    readonly suspect: boolean
  } | null
  readonly unacknowledged: Sizes
  readonly unprocessed: number
  readonly queued: Sizes
  readonly replayed: number
  readonly suppressed: number
  /** How many. */
  readonly subscriptions: number
}

export interface SessionDetail extends SessionRow {
  readonly topics: ReadonlyArray<string>
}

export interface TopicRow {
  readonly name: string
  readonly subscribers: number
  /** Publications a second, over the last ten seconds at most. */
  readonly rate: number
  /** The end of the log, as far as this gateway has heard. */
  readonly offset: number | null
  /** How many publications the log still has; null where the gateway does not say. */
  readonly kept: number | null
}

export interface Page<Row> {
  readonly rows: ReadonlyArray<Row>
  /** From 1; the last one when a later one was asked for. */
  readonly page: number
  readonly pages: number
  readonly size: number
  /** Those that the filter lets through. */
  readonly matching: number
  readonly total: number
}

/** The latest publications of a topic, the newest first. */
export interface TopicHistory {
  readonly topic: string
  readonly kept: number
  readonly publications: ReadonlyArray<{
    readonly epoch: string
    readonly offset: number
    readonly at: number
    /** JSON, cut where `size` is larger. */
    readonly text: string
    /** UTF-16 units of the whole. */
    readonly size: number
  }>
}

/** One second: what there was at its end, and what happened in it. */
export interface Sample {
  readonly at: number
  readonly connections: number
  readonly sessions: number
  readonly messagesIn: number
  readonly messagesOut: number
  readonly heartbeatsMissed: number
  readonly begun: number
  readonly resumed: number
  readonly reset: number
  readonly ended: number
}

export interface Overview {
  readonly now: number
  readonly node: string
  readonly address: string
  readonly stats: {
    readonly since: number
    readonly connections: number
    readonly sessions: number
    readonly messagesIn: number
    readonly messagesOut: number
    readonly heartbeatsMissed: number
    /** Milliseconds, of a proxy that lies between. */
    readonly idleTimeout: number | null
    readonly begun: number
    readonly resumed: number
    readonly reset: Readonly<Record<string, number>>
    readonly ended: Readonly<Record<string, number>>
  }
  /** Those after the one that was asked for, oldest first. */
  readonly samples: ReadonlyArray<Sample>
}

export interface Nodes {
  readonly nodes: ReadonlyArray<{
    readonly id: string
    readonly address: string
    readonly since: number
    readonly connections: number
    readonly sessions: number
  }>
}

export interface Failure {
  readonly error: string
}

export const sessionSorts = [
  "id",
  "principal",
  "address",
  "since",
  "lastActivity",
  "roundTrip",
  "heartbeatsMissed",
  "unacknowledged",
  "unprocessed",
  "queued",
  "subscriptions",
  "generation"
] as const
export type SessionSort = (typeof sessionSorts)[number]

export const topicSorts = ["name", "subscribers", "rate", "offset"] as const
export type TopicSort = (typeof topicSorts)[number]

export const orders = ["asc", "desc"] as const
export type Order = (typeof orders)[number]
