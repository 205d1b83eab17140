/**
 * The connection to Redis that a session store and a broker share: one for
 * commands, and one to each node for what is heard of it. Redis 7 or later: a
 * server, one that Sentinels watch, or a Cluster.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { Cluster, Redis } from "ioredis"
import { monotonic, wallTime } from "../connection/clocks.js"
import { millisOf } from "../connection/options/optionRules.js"
import * as Reconnect from "../connection/Reconnect.js"
import { DialFailed, InvalidOption } from "../protocol/ConnectionError.js"
import { asError, CommandTimeouts } from "./internal/commandTimeouts.js"
import { Readiness } from "./internal/readiness.js"
import { RedisClient } from "./internal/redisClient.js"
import * as redisUrl from "./internal/redisUrl.js"
import { type Argument, type Call, type Script, say } from "./internal/script.js"
import { type ChannelListener, ShardedPubSub } from "./internal/shardedPubSub.js"

/**
 * The state of the connection: Redis can be reached, or not since when (milliseconds since the
 * epoch) and why.
 *
 * @since 0.1.0
 * @category models
 */
export type Status =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Away"; readonly since: number; readonly reason: string }

/**
 * The place of Redis, and how it is treated. Give a `url`, or a `client` of
 * ioredis, whose settings are taken over: the connections are Holdfast's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * `redis://user:password@host:6379/0`, `rediss://` for TLS, `redis+cluster://one:6379,other:6379` or
   * `redis+sentinel://one:26379,other:26379/name`. Default `redis://127.0.0.1:6379`.
   */
  readonly url?: string | Redacted.Redacted | undefined
  readonly client?: Redis | Cluster | undefined
  /** The beginning of all keys and channels; no braces. Default `holdfast`. */
  readonly prefix?: string | undefined
  /** Time that a command, or opening a connection, may take. Default 5 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Time between two questions whether a connection lives. Default 5 seconds. */
  readonly heartbeatInterval?: Duration.DurationInput | undefined
  /** When to connect again. Default `Reconnect.exponential()`: 1 s, doubling, at most 30 s. */
  readonly reconnect?: Reconnect.Policy | undefined
}

/**
 * The connection as its users have it: scripts, channels, and word of its state.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly prefix: string
  readonly status: Effect.Effect<Status>
  /** Succeeds when every master takes writes now, or did within the last second; fails with the reason. */
  readonly ready: Effect.Effect<void, Error>
  /** Runs a script on keys of one slot: done or not, and told within `timeout` and an eighth. What failed may have been done. */
  readonly run: (
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>
  ) => Effect.Effect<unknown, Error>
  /** Runs several at once, each for itself; fails when one of them does. Cheaper than as many fibers. */
  readonly runAll: (calls: ReadonlyArray<Call>) => Effect.Effect<ReadonlyArray<unknown>, Error>
  /** Says something on a channel: who hears of it does, at most once. */
  readonly say: (channel: string, text: string) => Effect.Effect<void, Error>
  /** Listens until the scope closes; has succeeded when the channel is heard, however long that takes. */
  readonly listen: (channel: string, listener: ChannelListener) => Effect.Effect<void, never, Scope.Scope>
  /** Calls back whenever Redis can be reached again, until the scope closes. */
  readonly onReady: (callback: () => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The connection to Redis, which a store and a broker share.
 *
 * @since 0.1.0
 * @category services
 */
export class RedisConnection extends Context.Tag("holdfast/redis/RedisConnection")<RedisConnection, Service>() {}

const sourceOf = (options: Options): Redis | Cluster | redisUrl.Address | InvalidOption => {
  if (options.client !== undefined) return options.client
  const { url = "redis://127.0.0.1:6379" } = options
  return redisUrl.parse(Redacted.isRedacted(url) ? Redacted.value(url) : url)
}

/** Delays as the client of Redis asks for them: by the number of the attempt. */
const retryDelay = (policy: Reconnect.Policy): Effect.Effect<(attempt: number) => number, InvalidOption> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime()
    let backoff = yield* Reconnect.backoff(policy)
    const failed = new DialFailed({ url: "Redis", cause: "connection lost" })
    return (attempt) => {
      const delay = Effect.gen(function* () {
        // It was taken before.
        if (attempt === 1) backoff = yield* Effect.orDie(Reconnect.backoff(policy))
        return yield* backoff.next(failed)
      })
      // A policy that gives up, or cannot tell at once, would leave the gateway without its store for ever.
      const told = Runtime.runSyncExit(runtime)(delay)
      return Exit.isSuccess(told) ? Option.getOrElse(told.value, () => 30_000) : 30_000
    }
  })

/** Follows the client's events. */
class Health {
  private lastError: string | undefined
  readonly callbacks = new Set<() => void>()

  constructor(
    private readonly client: RedisClient,
    public status: Status,
    private readonly now: () => number,
    private readonly log: (effect: Effect.Effect<void>) => void
  ) {
    const { redis } = client
    redis.on("ready", () => this.ready())
    redis.on("error", (error: unknown) => this.failed(error))
    redis.on("node error", (error: unknown) => this.failed(error))
    for (const event of ["close", "end"]) redis.on(event, () => this.away())
  }

  /** Why nothing can be asked now. */
  get refusal(): Error | undefined {
    if (this.client.isReady) return undefined
    const reason = this.status._tag === "Away" ? this.status.reason : "the connection is being opened"
    return new Error(`Redis cannot be reached: ${reason}`)
  }

  private ready(): void {
    const { status } = this
    this.status = { _tag: "Ready" }
    this.lastError = undefined
    if (status._tag === "Away") this.log(Effect.logInfo("holdfast: Redis can be reached"))
    for (const callback of this.callbacks) callback()
  }

  private failed(error: unknown): void {
    const { code, message } = asError(error) as Error & { readonly code?: string } // of Node's system errors
    this.lastError = message === "" ? (code ?? "connection failed") : message
    if (this.status._tag === "Away") this.status = { ...this.status, reason: this.lastError }
  }

  private away(): void {
    if (this.status._tag === "Away") return
    const reason = this.lastError ?? "the connection was lost"
    this.status = { _tag: "Away", since: this.now(), reason }
    this.log(Effect.logWarning(`holdfast: Redis cannot be reached: ${reason}`))
  }
}

/**
 * Opens the connections, which are kept open until the scope closes. Waits for
 * the outcome of the first attempt, and succeeds whatever it is: a gateway can
 * start while Redis is away. See `ready`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service, InvalidOption, Scope.Scope> =>
  Effect.gen(function* () {
    const timeout = yield* millisOf("timeout", options.timeout ?? "5 seconds")
    const heartbeatInterval = yield* millisOf("heartbeatInterval", options.heartbeatInterval ?? "5 seconds")
    const { prefix = "holdfast" } = options
    if (/[{}]/.test(prefix)) {
      return yield* new InvalidOption({ option: "prefix", value: prefix, rule: "text without braces" })
    }
    const source = sourceOf(options)
    if (source instanceof InvalidOption) return yield* source
    const policy = options.reconnect ?? Reconnect.exponential()
    const terms = { timeout, retryDelay: yield* retryDelay(policy) }
    const clock = yield* Effect.clock
    const fork = yield* FiberSet.makeRuntime<never, void, never>()
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new RedisClient(source, terms)),
      ({ redis }) => Effect.sync(() => redis.disconnect())
    )
    const since = wallTime(clock)
    const health = new Health(
      client,
      { _tag: "Away", since, reason: "the connection is being opened" },
      () => wallTime(clock),
      fork
    )
    const timeouts = new CommandTimeouts(timeout, () => monotonic(clock))
    yield* Effect.forkScoped(timeouts.watch)
    // What becomes of the first attempt is told by the events; the client goes on trying. Of a cluster that is down, or
    // Sentinels that do not answer, it tells nothing for as long as that lasts.
    yield* Effect.ignore(timeouts.ask(() => client.redis.connect()))
    const readiness = new Readiness(client, timeouts, prefix, clock, yield* FiberSet.makeRuntime<never>())
    // A connection that does not answer is opened anew, without a farewell that nobody would answer either; one that
    // is closed is so already.
    const kept = (node: Redis) =>
      Effect.catchAll(
        timeouts.ask(() => node.ping()),
        () => Effect.sync(() => node.status === "ready" && node.stream.destroy())
      )
    const beat = Effect.suspend(() => Effect.forEach(client.nodes, kept, { concurrency: "unbounded", discard: true }))
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(heartbeatInterval), beat)))
    const pubSub = new ShardedPubSub(client, { policy, heartbeatInterval }, fork)
    const asked = <A>(evaluate: () => Promise<A>) =>
      Effect.suspend(() => {
        const { refusal } = health
        return refusal === undefined ? timeouts.ask(evaluate) : Effect.fail(refusal)
      })
    return {
      prefix,
      status: Effect.sync(() => health.status),
      ready: Effect.suspend(() => (health.refusal === undefined ? readiness.ready : Effect.fail(health.refusal))),
      run: (script, keys, args) => asked(() => client.run(script, keys, args)),
      runAll: (calls) =>
        asked(() => Promise.all(calls.map(({ args, keys, script }) => client.run(script, keys, args)))),
      say: (channel, text) => Effect.asVoid(asked(() => client.run(say, [channel], [text]))),
      listen: (channel, listener) => pubSub.listen(channel, listener),
      onReady: (callback) =>
        Effect.acquireRelease(
          Effect.sync(() => void health.callbacks.add(callback)),
          () => Effect.sync(() => void health.callbacks.delete(callback))
        )
    } satisfies Service
  })

/**
 * A connection as a Layer, with these options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<RedisConnection, InvalidOption> =>
  Layer.scoped(RedisConnection, make(options))

/**
 * From `REDIS_URL` (secret) and `HOLDFAST_REDIS_PREFIX`, each with its default.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Pick<Options, "url" | "prefix">> = Config.map(
  Config.all({
    url: Config.option(Config.redacted("REDIS_URL")),
    prefix: Config.option(Config.nonEmptyString("HOLDFAST_REDIS_PREFIX"))
  }),
  ({ prefix, url }) => ({ url: Option.getOrUndefined(url), prefix: Option.getOrUndefined(prefix) })
)

/**
 * A connection as a Layer, with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Options> = config
): Layer.Layer<RedisConnection, InvalidOption | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))
