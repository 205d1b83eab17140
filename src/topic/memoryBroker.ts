/** The broker in memory: its logs, its keys, and who is there. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import { monotonic, wallTime } from "../connection/clocks.js"
import { type BrokerUnavailable, KeyReused, type TooManyKeys } from "../protocol/ConnectionError.js"
import type { Position } from "../protocol/Protocol.js"
import { Credentials } from "../session/Credentials.js"
import { Broker, defaultRetention, type Listener, type PublishOptions } from "./brokerService.js"
import { KeyMemory } from "./keyMemory.js"
import { MemoryMembers } from "./memoryMembers.js"
import type { TopicLog } from "./topicLog.js"
import { TopicLogs } from "./topicLogs.js"

/**
 * The options of the broker in memory: how much it remembers, and for how long.
 *
 * @since 0.1.0
 * @category memory
 */
export interface MemoryOptions {
  /** Milliseconds that a publication's key is remembered. Default 5 minutes. */
  readonly keyWindow?: number | undefined
  /**
   * How many keys one publisher alone may have remembered. An eighth more is left to others: the more are remembered,
   * the fewer may whoever publishes another hold, and a publication with a new key fails with `TooManyKeys` beyond that
   * until some are old. None is forgotten before. Default 1,000,000.
   */
  readonly maxKeys?: number | undefined
  /**
   * How many topics are remembered. Beyond it the one that was unused for
   * longest goes, among those that nobody listens to and that remember no
   * keys; positions in it are then of another epoch. Those that are in use stay, as
   * many as gateways subscribe to and `maxKeys` allows, and one beside. Default 100,000.
   */
  readonly maxTopics?: number | undefined
  /**
   * Bytes that the publications of all topics may take in memory: two for each UTF-16 unit of a text that is not
   * Latin-1, one otherwise, and 256 for each publication. Beyond it the oldest of all go. Default 256 MiB.
   */
  readonly maxBytes?: number | undefined
  /**
   * Milliseconds that an empty topic is remembered which nobody uses, or the age of its history if that is longer;
   * positions in it are then of another epoch. Longer than the `resumeWindow` of gateways. Default 2 hours.
   */
  readonly topicTtl?: number | undefined
}

type Service = Context.Tag.Service<Broker>

/** Tells one payload from another under the same key, without keeping it. */
const fingerprint = (payload: string): string =>
  payload.length <= 64
    ? payload
    : `${payload.length} ${Hash.string(payload)} ${Hash.string(payload.slice(payload.length >> 1))}`

class MemoryBroker {
  readonly members: MemoryMembers
  private readonly logs: TopicLogs
  private readonly keys: KeyMemory<TopicLog>

  constructor(
    instance: string,
    bounds: Required<{ [K in keyof MemoryOptions]: number }>,
    readonly now: () => number,
    private readonly wallTime: () => number
  ) {
    const { keyWindow, maxKeys } = bounds
    this.keys = new KeyMemory(keyWindow, maxKeys, (log) => this.logs.changed(log))
    this.logs = new TopicLogs(instance, bounds, (now) => void this.keys.forgetSome(now))
    this.members = new MemoryMembers(now, (presence, _tag, member) => {
      this.append(this.log(presence), JSON.stringify({ _tag, member }))
    })
  }

  log(topic: string): TopicLog {
    return this.logs.use(topic, this.now())
  }

  private append(log: TopicLog, payload: string, retention = defaultRetention): Position {
    const position = log.append(payload, this.now(), this.wallTime(), retention)
    this.logs.changed(log)
    return position
  }

  publish(
    topic: string,
    payload: string,
    options: PublishOptions
  ): Effect.Effect<Position, KeyReused | TooManyKeys | BrokerUnavailable> {
    const { ifNew, key: name, publisher, retention } = options
    const log = this.log(topic)
    if (name === undefined) return Effect.succeed(this.append(log, payload, retention))
    const at = this.now()
    this.keys.forgetSome(at)
    const before = log.recall(name)
    const print = fingerprint(payload)
    if (before !== undefined && !this.keys.isOld(before, at)) {
      return before.print === print ? Effect.succeed(before.position) : Effect.fail(new KeyReused({ topic, key: name }))
    }
    const refusal = ifNew ?? this.keys.refusal(publisher, at)
    if (refusal !== undefined) return Effect.fail(refusal)
    const position = this.append(log, payload, retention)
    this.keys.add({ log, name, at, publisher, position, print })
    this.logs.changed(log)
    return Effect.succeed(position)
  }

  listen(topic: string, listener: Listener): { readonly log: TopicLog; readonly end: Position } {
    const log = this.log(topic)
    log.listen(listener)
    this.logs.changed(log)
    return { log, end: log.end }
  }

  unlisten(log: TopicLog, listener: Listener): void {
    log.unlisten(listener)
    log.usedAt = this.now()
    this.logs.changed(log)
  }

  /** A step for each thing that is forgotten. */
  *expired(): Generator<void> {
    const now = this.now()
    while (this.keys.forgetSome(now)) yield
    yield* this.logs.expire(now)
    yield* this.members.expire(now)
  }
}

/** Steps that are done in one go. */
const stepsAtATime = 1000

/** Does the steps, and lets others do something in between. */
const inTurns = (steps: Iterator<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (let count = 0; count < stepsAtATime; count++) if (steps.next().done === true) return Effect.void
    // A turn of timers and sockets; `yieldNow` would leave them waiting.
    return Effect.zipRight(Effect.sleep(0), inTurns(steps))
  })

/**
 * A broker in this process's memory. Nothing in it expires by itself but what
 * is read: see `expire`.
 *
 * @since 0.1.0
 * @category memory
 */
export const make = (options: MemoryOptions = {}): Effect.Effect<Service> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const now = () => monotonic(clock)
    const { keyWindow = 300_000, maxKeys = 1_000_000, maxTopics = 100_000 } = options
    const { maxBytes = 256 * 1024 * 1024, topicTtl = 7_200_000 } = options
    // Another process's epochs are others: a position of before a restart is known to be lost.
    const instance = yield* (yield* Credentials).id
    const broker = new MemoryBroker(instance, { keyWindow, maxKeys, maxTopics, maxBytes, topicTtl }, now, () =>
      wallTime(clock)
    )
    const { members } = broker
    return {
      keyWindow,
      publish: (topic, payload, options = {}) => Effect.suspend(() => broker.publish(topic, payload, options)),
      subscribe: (topic, listener) =>
        Effect.acquireRelease(
          // In one step: what is published after it is heard, and nothing before it.
          Effect.sync(() => broker.listen(topic, listener)),
          ({ log }) => Effect.sync(() => broker.unlisten(log, listener))
        ).pipe(Effect.map(({ end }) => end)),
      history: (topic, { limit, since }) => Effect.sync(() => broker.log(topic).after(since, limit, now())),
      join: (topic, presence, member, generation) =>
        Effect.sync(() => {
          members.join(topic, presence, member, generation)
          return broker.log(presence).end
        }),
      leave: (session, { after, topic }) =>
        Effect.sync(() => members.leave(session, topic === undefined ? members.topicsOf(session) : [topic], after)),
      members: (topic, presence) =>
        Effect.sync(() => ({ members: members.of(topic), position: broker.log(presence).end })),
      expire: Effect.suspend(() => inTurns(broker.expired())),
      ready: Effect.void
    } satisfies Service
  })

/**
 * The memory broker, rid every minute of what is too old.
 *
 * @since 0.1.0
 * @category memory
 */
export const layer = (options?: MemoryOptions): Layer.Layer<Broker> =>
  Layer.scoped(
    Broker,
    Effect.tap(make(options), (broker) =>
      Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("1 minute"), Effect.orDie(broker.expire))))
    )
  )
