/**
 * Sessions in Redis: any gateway resumes any session.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { monotonic } from "../connection/clocks.js"
import { millisOf } from "../connection/options/optionRules.js"
import { type InvalidOption, StoreUnavailable } from "../protocol/ConnectionError.js"
import { Credentials } from "../session/Credentials.js"
import { SessionStore } from "../session/SessionStore.js"
import { HeldSessions } from "./internal/store/heldSessions.js"
import { Mailbox } from "./internal/store/mailbox.js"
import * as nodeChannel from "./internal/store/nodeChannel.js"
import { NodeRegistry } from "./internal/store/nodeRegistry.js"
import { RedisSessions } from "./internal/store/redisSessions.js"
import { Revocation } from "./internal/store/revocation.js"
import { SessionIndex } from "./internal/store/sessionIndex.js"
import { StoreCommands } from "./internal/store/storeCommands.js"
import { RedisConnection } from "./RedisConnection.js"

type Store = Context.Tag.Service<SessionStore>

/**
 * The times of a store on Redis.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Time after which a session is forgotten whose gateway has died without a word, renewed at a third of it. Its client
   * can come back for two thirds of it at least: let that be more than the gateway's `resumeWindow`. Default 5 minutes.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** Time that it is remembered why a session is gone. Default 10 minutes. */
  readonly tombstones?: Duration.DurationInput | undefined
  /** Time after which a gateway that says nothing is taken for dead. Default 30 seconds. */
  readonly nodeLease?: Duration.DurationInput | undefined
}

/**
 * A store on Redis. Each operation on a session is one atomic step there, and
 * all time is the server's. `revoke` of a principal is one such step for each of
 * its sessions.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Store, InvalidOption, RedisConnection | Scope.Scope> =>
  Effect.gen(function* () {
    const lease = yield* millisOf("lease", options.lease ?? "5 minutes")
    const tombstones = yield* millisOf("tombstones", options.tombstones ?? "10 minutes")
    const nodeLease = yield* millisOf("nodeLease", options.nodeLease ?? "30 seconds")
    const redis = yield* RedisConnection
    const clock = yield* Effect.clock
    const node = yield* (yield* Credentials).id
    const times = { lease, tombstones }
    const commands = new StoreCommands(redis)
    const index = new SessionIndex(commands, tombstones)
    const held = new HeldSessions(commands, index, times, () => monotonic(clock))
    const sessions = new RedisSessions(commands, index, held, node, times)
    const mailbox = new Mailbox(commands, held)
    const revocation = new Revocation(commands, index, tombstones)
    const registry = new NodeRegistry(commands, nodeLease)
    const { leases } = held
    // What was said while nobody listened, or Redis was away, is found by looking.
    const listener = { message: (text: string) => held.heard(text), heard: () => leases.doubt() }
    const listening = redis.listen(nodeChannel.name(redis.prefix, node), listener)
    yield* Effect.forkScoped(Effect.zipRight(listening, Effect.never))
    yield* redis.onReady(() => leases.doubt())
    const tick = Math.min(1000, lease / 30)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(tick), leases.renewDue)))
    const { acknowledge, append, attach, confirm, create, detach, find, remove } = sessions
    return {
      acknowledge,
      append,
      attach,
      confirm,
      create,
      detach,
      find,
      remove,
      announce: (info) => registry.announce(info),
      sessionsOf: (principal) => index.idsOf(principal),
      collect: (id, generation, after) => mailbox.collect(id, generation, after),
      // Keys expire by themselves.
      expire: Effect.succeed(0),
      lease: nodeLease,
      nodes: registry.nodes,
      post: (id, mail, bounds) => mailbox.post(id, mail, bounds),
      ready: Effect.mapError(redis.ready, (cause) => new StoreUnavailable({ cause })),
      revoke: (target, tombstone) => revocation.revoke(target, tombstone),
      size: index.size,
      watch: (watcher) => held.watch(watcher),
      withdraw: (id) => registry.withdraw(id)
    } satisfies Store
  })

/**
 * The store as a Layer, on the connection that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<SessionStore, InvalidOption, RedisConnection> =>
  Layer.scoped(SessionStore, make(options))
