/** The broker in memory: its logs, and who is there. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import type { Broker, MemoryOptions, PublishOptions } from "../Broker.js"
import { BrokerUnavailable, KeyReused } from "../ConnectionError.js"
import { Credentials } from "../Credentials.js"
import type { Member, Position } from "../Protocol.js"
import { defaultRetention, TopicLog } from "./topicLog.js"

type Service = Context.Tag.Service<Broker>

/** A member, until when if its gateway has gone. */
interface Membership {
  readonly member: Member
  readonly presence: string
  expiresAt: number | undefined
}

/** What tells one payload from another under the same key, without keeping it. */
const fingerprint = (payload: string): string =>
  payload.length <= 64
    ? payload
    : `${payload.length} ${Hash.string(payload)} ${Hash.string(payload.slice(payload.length >> 1))}`

class MemoryBroker {
  private readonly logs = new Map<string, TopicLog>()
  private readonly topics = new Map<string, Map<string, Membership>>()
  /** The topics of each member. */
  private readonly sessions = new Map<string, Set<string>>()
  /** All keys, the oldest first. */
  private readonly keys = new Set<{ readonly log: TopicLog; readonly key: string; readonly at: number }>()
  private made = 0

  constructor(
    private readonly instance: string,
    private readonly bounds: { readonly keyWindow: number; readonly maxKeys: number; readonly maxTopics: number },
    private readonly now: () => number
  ) {}

  /** The topic's log, now the last used. */
  log(topic: string): TopicLog {
    const known = this.logs.get(topic)
    if (known === undefined) this.makeRoom()
    else this.logs.delete(topic)
    const log = known ?? new TopicLog(`${this.instance}.${++this.made}`, defaultRetention)
    this.logs.set(topic, log)
    return log
  }

  private makeRoom(): void {
    if (this.logs.size < this.bounds.maxTopics) return
    this.forgetKeys()
    for (const [topic, log] of [...this.logs.entries()].slice(0, 100)) {
      this.logs.delete(topic)
      if (log.isIdle) return
      // In use: it goes to the end of the row.
      this.logs.set(topic, log)
    }
  }

  /** Forgets the keys that are too old. */
  private forgetKeys(): void {
    const before = this.now() - this.bounds.keyWindow
    for (const remembered of this.keys) {
      if (remembered.at > before) return
      this.keys.delete(remembered)
      remembered.log.forget(remembered.key)
    }
  }

  publish(
    topic: string,
    payload: string,
    options: PublishOptions
  ): Effect.Effect<Position, KeyReused | BrokerUnavailable> {
    const { key, retention = defaultRetention } = options
    const log = this.log(topic)
    const at = this.now()
    if (key === undefined) return Effect.succeed(log.append(payload, at, retention))
    this.forgetKeys()
    const before = log.recall(key)
    const print = fingerprint(payload)
    if (before !== undefined) {
      return before.print === print ? Effect.succeed(before.position) : Effect.fail(new KeyReused({ topic, key }))
    }
    if (this.keys.size >= this.bounds.maxKeys) {
      const cause = new Error(`${this.keys.size} keys are remembered already: raise maxKeys, or publish without keys`)
      return Effect.fail(new BrokerUnavailable({ cause }))
    }
    this.keys.add({ log, key, at })
    const position = log.append(payload, at, retention)
    log.remember(key, { position, print })
    return Effect.succeed(position)
  }

  join(topic: string, presence: string, member: Member): void {
    const members = this.topics.get(topic) ?? new Map<string, Membership>()
    const known = members.get(member.session)
    if (known !== undefined) {
      known.expiresAt = undefined
      return
    }
    this.topics.set(topic, members.set(member.session, { member, presence, expiresAt: undefined }))
    const joined = this.sessions.get(member.session) ?? new Set<string>()
    this.sessions.set(member.session, joined.add(topic))
    this.tell(presence, "Joined", member)
  }

  leave(session: string, topics: Iterable<string>, after: number): void {
    for (const topic of [...topics]) {
      const membership = this.topics.get(topic)?.get(session)
      if (membership === undefined) continue
      if (after > 0) membership.expiresAt = this.now() + after
      else this.remove(topic, membership)
    }
  }

  private remove(topic: string, { member, presence }: Membership): void {
    const members = this.topics.get(topic)
    members?.delete(member.session)
    if (members?.size === 0) this.topics.delete(topic)
    const joined = this.sessions.get(member.session)
    joined?.delete(topic)
    if (joined?.size === 0) this.sessions.delete(member.session)
    this.tell(presence, "Left", member)
  }

  private tell(presence: string, _tag: "Joined" | "Left", member: Member): void {
    this.log(presence).append(JSON.stringify({ _tag, member }), this.now(), defaultRetention)
  }

  topicsOf(session: string): Iterable<string> {
    return this.sessions.get(session) ?? []
  }

  members(topic: string): ReadonlyArray<Member> {
    return [...(this.topics.get(topic)?.values() ?? [])].map(({ member }) => member)
  }

  expire(): void {
    const now = this.now()
    this.forgetKeys()
    for (const log of this.logs.values()) {
      log.trim(now)
      log.compact()
    }
    for (const [topic, members] of [...this.topics]) {
      for (const membership of [...members.values()]) {
        if (membership.expiresAt !== undefined && membership.expiresAt < now) this.remove(topic, membership)
      }
    }
  }
}

export const make = (options: MemoryOptions = {}): Effect.Effect<Service> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const { keyWindow = 300_000, maxKeys = 1_000_000, maxTopics = 100_000 } = options
    // Another process's epochs are others: a position of before a restart is known to be lost.
    const instance = yield* (yield* Credentials).id
    const broker = new MemoryBroker(instance, { keyWindow, maxKeys, maxTopics }, now)
    return {
      keyWindow,
      publish: (topic, payload, options = {}) => Effect.suspend(() => broker.publish(topic, payload, options)),
      subscribe: (topic, listener) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const log = broker.log(topic)
            log.listeners.add(listener)
            // In the same step: what is published after it is heard, and nothing before it.
            return { log, end: log.end }
          }),
          ({ log }) => Effect.sync(() => log.listeners.delete(listener))
        ).pipe(Effect.map(({ end }) => end)),
      history: (topic, { limit, since }) => Effect.sync(() => broker.log(topic).after(since, limit, now())),
      join: (topic, presence, member) => Effect.sync(() => broker.join(topic, presence, member)),
      leave: (session, { after, topic }) =>
        Effect.sync(() => broker.leave(session, topic === undefined ? broker.topicsOf(session) : [topic], after)),
      members: (topic, presence) =>
        Effect.sync(() => ({ members: broker.members(topic), position: broker.log(presence).end })),
      expire: Effect.sync(() => broker.expire()),
      ready: Effect.void
    } satisfies Service
  })
