/**
 * A broker on Redis: gateways that share a server, or a Cluster, share topics
 * and memberships. Redis 7 or later.
 *
 * A log is a Stream, and each operation one script of one slot, timed by
 * Redis's clock. What is published is said on a sharded channel; where that
 * was not heard, the log is read, so nothing is missed but what the log did
 * not keep, and that is told as a reset. Every key has a time to live.
 *
 * Redis must not evict keys (`maxmemory-policy noeviction`). What it answered
 * it may lose where it writes to its disk once a second, or fails over to a
 * replica: a log that is shorter than what was heard of it is told as a reset.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { millisOf } from "../connection/options/optionRules.js"
import { InvalidOption } from "../protocol/ConnectionError.js"
import { Credentials } from "../session/Credentials.js"
import { Broker } from "../topic/Broker.js"
import { MembershipIndex } from "./internal/broker/membershipIndex.js"
import { Memberships } from "./internal/broker/memberships.js"
import { StreamLog, unavailable } from "./internal/broker/streamLog.js"
import { TopicFollowers } from "./internal/broker/topicFollowers.js"
import { RedisConnection } from "./RedisConnection.js"

/**
 * All brokers of one prefix are given the same `keyWindow`, `topicTtl` and `lease`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long the key of a publication is remembered. Default 5 minutes. */
  readonly keyWindow?: Duration.DurationInput | undefined
  /** How long a topic is remembered that nobody uses; positions in it are of another epoch then. Default 1 day. */
  readonly topicTtl?: Duration.DurationInput | undefined
  /**
   * How long members stay whose gateway died. Longer than the resume window of the gateways, or members whose
   * sessions another gateway resumes are told to have left, and to have joined; so are all members where Redis is
   * away for longer. Default 3 minutes; it is renewed three times within it.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** How often a topic that was quiet is asked whether something was missed. Default 30 seconds. */
  readonly checkInterval?: Duration.DurationInput | undefined
  /** Time that `subscribe` may take. Default 5 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/** Milliseconds that it is remembered where a session is a member. */
const indexTtl = 86_400_000

/**
 * Publishes once for each time that an effect of `publish` is run and succeeds: one that failed with
 * `BrokerUnavailable`, or was interrupted, and is run again, finds what it has published before, if that is among the
 * newest 1000 that the log keeps. With a key that holds for the whole key window, and for other effects.
 *
 * Members of a gateway that died are told to have left when their lease is over, by any broker that follows the topic
 * in which it is told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<Context.Tag.Service<Broker>, InvalidOption, RedisConnection | Scope.Scope> =>
  Effect.gen(function* () {
    const keyWindow = yield* millisOf("keyWindow", options.keyWindow ?? "5 minutes")
    const topicTtl = yield* millisOf("topicTtl", options.topicTtl ?? "1 day")
    const lease = yield* millisOf("lease", options.lease ?? "3 minutes")
    const checkInterval = yield* millisOf("checkInterval", options.checkInterval ?? "30 seconds")
    const timeout = yield* millisOf("timeout", options.timeout ?? "5 seconds")
    for (const [name, millis] of Object.entries({ keyWindow, lease, checkInterval })) {
      if (topicTtl >= 2 * millis) continue
      const rule = `at least twice the ${name} (${millis} ms): what is in use must not be forgotten`
      return yield* new InvalidOption({ option: "topicTtl", value: `${topicTtl} ms`, rule })
    }
    const connection = yield* RedisConnection
    const instance = yield* (yield* Credentials).id
    const fork = yield* FiberSet.makeRuntime<never, void, never>()
    const log = new StreamLog(connection, { instance, keyWindow, topicTtl })
    const followers = new TopicFollowers(log, { timeout, checkInterval }, fork)
    const memberships = new Memberships(log, new MembershipIndex(log, indexTtl), { instance, lease })
    yield* Effect.forkScoped(
      Effect.all([followers.checking, followers.sweeping, memberships.renewing], { concurrency: 3 })
    )
    return {
      keyWindow,
      ready: Effect.mapError(connection.ready, unavailable),
      publish: (topic, payload, options = {}) => log.publish(topic, payload, options),
      subscribe: (topic, listener) => followers.subscribe(topic, listener),
      history: (topic, { limit, since }) => Effect.map(log.read(topic, since, limit), ({ history }) => history),
      join: (topic, presence, member, generation) => memberships.join(topic, presence, member, generation),
      leave: (session, { after, topic }) => memberships.leave(session, topic, after),
      members: (topic, presence) => memberships.members(topic, presence),
      expire: followers.sweep
    } satisfies Context.Tag.Service<Broker>
  })

/**
 * The broker as a Layer, on the connection that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Broker, InvalidOption, RedisConnection> =>
  Layer.scoped(Broker, make(options))
