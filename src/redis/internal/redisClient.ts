/** The client of ioredis for commands, as Holdfast needs it, and the connections beside it that listen. */
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis"
import { slotOf } from "./hashSlot.js"
import type { Address } from "./redisUrl.js"
import type { Argument, Script } from "./script.js"

export interface Terms {
  /** Milliseconds that a command, or a connection, may take. */
  readonly timeout: number
  /** Milliseconds to wait before the attempt of this number, from 1. */
  readonly retryDelay: (attempt: number) => number
}

/**
 * A command fails as soon as its connection does: whether it is tried again is for those to decide who know whether it
 * may be carried out twice.
 */
const commandOptions = ({ retryDelay, timeout }: Terms): RedisOptions => ({
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: timeout,
  connectTimeout: timeout,
  // That a connection lives is asked beside the pipelines, which may hold each other up.
  autoPipeliningIgnoredCommands: ["ping"],
  // A server that was demoted is left for the one that is master now. What it refused is not sent again by itself.
  reconnectOnError: isDemoted,
  keyPrefix: "",
  retryStrategy: retryDelay
})

const clusterOptions = (terms: Terms): ClusterOptions => ({
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  // A command whose connection was lost may have been carried out.
  retryDelayOnFailover: 0,
  slotsRefreshTimeout: terms.timeout,
  clusterRetryStrategy: terms.retryDelay,
  keyPrefix: ""
})

const isDemoted = (error: Error): boolean => error.message.startsWith("READONLY")

/** For the nodes of a cluster, which the cluster's client makes again by itself. */
const nodeOptions = ({ timeout }: Terms): RedisOptions => ({
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: timeout,
  connectTimeout: timeout
})

const open = (source: Address | Redis | Cluster, terms: Terms): Redis | Cluster => {
  if (source instanceof Cluster) {
    const { redisOptions } = source.options
    return source.duplicate([], { ...clusterOptions(terms), redisOptions: { ...redisOptions, ...nodeOptions(terms) } })
  }
  if (source instanceof Redis) return source.duplicate(commandOptions(terms))
  if (source._tag === "Cluster") {
    const redisOptions = { ...source.options, ...nodeOptions(terms) }
    return new Cluster([...source.nodes], { ...clusterOptions(terms), redisOptions })
  }
  return new Redis({ ...source.options, ...commandOptions(terms) })
}

interface Evaluating {
  readonly evalshaBuffer: Redis["evalsha"]
  readonly evalBuffer: Redis["eval"]
}

/** The one server that there is, where there is no cluster. */
const onlyNode = "the server"

export class RedisClient {
  readonly redis: Redis | Cluster

  constructor(
    source: Address | Redis | Cluster,
    private readonly terms: Terms
  ) {
    this.redis = open(source, terms)
  }

  get isReady(): boolean {
    return this.redis.status === "ready"
  }

  async run({ isBinary, lua, sha }: Script, keys: ReadonlyArray<string>, args: ReadonlyArray<Argument>) {
    // Its types know these two without their Buffer forms only.
    const redis = this.redis as Redis & Evaluating
    const rest = [keys.length, ...keys, ...args] as const
    try {
      return await (isBinary ? redis.evalshaBuffer(sha, ...rest) : redis.evalsha(sha, ...rest))
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error
      return await (isBinary ? redis.evalBuffer(lua, ...rest) : redis.eval(lua, ...rest))
    }
  }

  get isCluster(): boolean {
    return this.redis instanceof Cluster
  }

  /** The connections that commands go to. */
  get nodes(): ReadonlyArray<Redis> {
    return this.redis instanceof Cluster ? this.redis.nodes("master") : [this.redis]
  }

  /** Which node a channel is on; undefined while that is not known. */
  nodeOf(channel: string): string | undefined {
    return this.redis instanceof Cluster ? this.redis.slots[slotOf(channel)]?.[0] : onlyNode
  }

  /** Has it find out anew what node each slot is on. */
  relocate(): Promise<void> {
    const { redis } = this
    return redis instanceof Cluster
      ? new Promise((resolve) => redis.refreshSlotsCache(() => resolve()))
      : Promise.resolve()
  }

  /** A connection of its own to a node, to listen on: not yet opened, and never opened again. */
  listening(node: string): Redis {
    const options: RedisOptions = {
      lazyConnect: true,
      enableAutoPipelining: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: this.terms.timeout,
      connectTimeout: this.terms.timeout,
      enableReadyCheck: false,
      retryStrategy: () => null
    }
    if (!(this.redis instanceof Cluster)) return this.redis.duplicate({ ...options, enableOfflineQueue: true })
    const known = this.redis.nodes("all").find(({ options: { host, port } }) => `${host}:${port}` === node)
    const colon = node.lastIndexOf(":")
    const place = { host: node.slice(0, colon), port: Number(node.slice(colon + 1)) }
    return new Redis({ ...(known?.options ?? { ...this.redis.options.redisOptions, ...place }), ...options })
  }
}
