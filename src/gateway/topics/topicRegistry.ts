/** The topics of a gateway, for all of its sessions: the broker, the rules, the feeds. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { monotonic } from "../../connection/clocks.js"
import type { Resolved } from "../../connection/Options.js"
import { Outage } from "../../connection/outage.js"
import {
  type BrokerUnavailable,
  InvalidOption,
  MessageTooLarge,
  PositionLost,
  TopicRefused
} from "../../protocol/ConnectionError.js"
import type { Policy, Position } from "../../protocol/Protocol.js"
import * as publicationCodec from "../../protocol/publicationCodec.js"
import { Broker, defaultRetention, type Retention } from "../../topic/Broker.js"
import * as Presence from "../../topic/Presence.js"
import * as Topic from "../../topic/Topic.js"
import type { Gateway, Principal } from "../GatewaySession.js"
import type { Matched, TopicRule } from "../TopicRule.js"
import { refusal, tooManyKeys } from "./requestRefusal.js"
import { TopicFeeds } from "./topicFeed.js"

type Topics = Gateway<never>

/** A topic by its name, with what is allowed in it. */
export interface Known<P extends Principal, R> {
  readonly name: string
  readonly policy: Policy
  readonly retention: Retention
  /** The topic whose presence this one tells, if it does. */
  readonly presenceOf: string | undefined
  /** True when subscribing makes a session a member. */
  readonly hasMembers: boolean
  readonly matched: Matched<P, R>
}

const untold = (topic: string): TopicRefused =>
  new TopicRefused({ topic, code: "unknown-topic", reason: "it is not told who is on this topic" })

export class TopicRegistry<P extends Principal, R> {
  private readonly outage = new Outage()

  constructor(
    readonly broker: Broker["Type"],
    readonly feeds: TopicFeeds,
    private readonly rules: ReadonlyArray<TopicRule<P, R>>,
    readonly options: Resolved,
    readonly now: () => number
  ) {}

  /** Asks the broker again for as long as it fails. */
  readonly patiently = <A, E, R>(effect: Effect.Effect<A, E | BrokerUnavailable, R>) =>
    this.outage.retry(effect, "BrokerUnavailable")

  /** As the welcome can say it: in whole milliseconds, at most 24.8 days. */
  get keyWindow(): number {
    return Math.min(2 ** 31 - 1, Math.floor(this.broker.keyWindow))
  }

  /** The topic of this name, or why there is none. */
  find(name: string): Known<P, R> | TopicRefused {
    const base = Topic.presenceBase(name)
    const flaw = Topic.flaw(base ?? name)
    if (flaw !== undefined) return refusal(name, "malformed-topic", flaw)
    for (const rule of this.rules) {
      const matched = rule.match(base ?? name)
      if (matched === undefined) continue
      if (base === undefined) {
        const { policy, presence, retention } = rule
        return { name, policy, retention, presenceOf: undefined, hasMembers: presence, matched }
      }
      if (!rule.presence) return untold(base)
      return {
        name,
        policy: "disconnect",
        retention: defaultRetention,
        presenceOf: base,
        hasMembers: false,
        matched
      }
    }
    return refusal(name, "unknown-topic", "there is no such topic")
  }

  // ---- for the application

  named(name: string): Effect.Effect<Known<P, R>, TopicRefused> {
    return Effect.suspend(() => {
      const known = this.find(name)
      if (known instanceof TopicRefused) return Effect.fail(known)
      if (known.presenceOf === undefined) return Effect.succeed(known)
      return Effect.fail(new TopicRefused({ topic: name, code: "not-allowed", reason: "it is the gateway's own" }))
    })
  }

  readonly publish: Topics["publish"] = ({ name, schema }, value, options) =>
    Effect.gen(this, function* () {
      const known = yield* this.named(name)
      const payload = yield* publicationCodec.encoder(schema)(value)
      const limit = this.options.maxMessage
      const size = publicationCodec.size(payload, limit)
      if (size > limit) return yield* new MessageTooLarge({ size, limit })
      return yield* Effect.catchTag(
        this.broker.publish(name, payload, { key: options?.key, retention: known.retention }),
        "TooManyKeys",
        (error) => Effect.fail(tooManyKeys(name, error))
      )
    })

  readonly history: Topics["history"] = ({ name, schema }, options = {}) =>
    Effect.gen(this, function* () {
      yield* this.named(name)
      const { limit = 100, since } = options
      const log = yield* this.broker.history(name, { since, limit })
      if (log._tag === "Refused") {
        return yield* new PositionLost({ topic: name, reason: log.reason, since, position: log.end })
      }
      const decode = publicationCodec.decoder(schema)
      const publications = yield* Effect.forEach(log.publications, ({ at, payload, position }) =>
        Effect.map(decode(JSON.parse(payload)), (value) => ({ position, at, value }))
      )
      return { publications, end: log.end }
    })

  readonly members: Topics["members"] = (topic) =>
    Effect.gen(this, function* () {
      const { name } = topic
      const { hasMembers } = yield* this.named(name)
      if (!hasMembers) return yield* untold(name)
      const { members } = yield* this.broker.members(name, Topic.presenceOf(name))
      return members.map(Presence.reader(topic))
    })

  /** Finds where an invitation to a topic starts. */
  readonly invitation = (
    name: string,
    since: Position | "oldest" | undefined
  ): Effect.Effect<
    { readonly known: Known<P, R>; readonly since: Position | "oldest" },
    TopicRefused | BrokerUnavailable
  > =>
    Effect.flatMap(this.named(name), (known) =>
      since === undefined
        ? Effect.map(this.broker.history(name, { limit: 0 }), ({ end }) => ({ known, since: end }))
        : Effect.succeed({ known, since })
    )

  /** True when sessions can be members anywhere. */
  get hasMembers(): boolean {
    return this.rules.some(({ presence }) => presence)
  }
}

/** Undefined for a gateway without topics, which needs no broker. */
export const make = <P extends Principal, R>(
  rules: ReadonlyArray<TopicRule<P, R>> | undefined,
  options: Resolved
): Effect.Effect<TopicRegistry<P, R> | undefined, InvalidOption, Scope.Scope> =>
  Effect.gen(function* () {
    if (rules === undefined || rules.length === 0) return undefined
    for (const { pattern, retention } of rules) {
      const flaw = Topic.patternFlaw(pattern)
      if (flaw !== undefined) return yield* new InvalidOption({ option: "topics", value: pattern, rule: flaw })
      for (const [name, value] of Object.entries(retention)) {
        if (value >= 1) continue
        const rule = "at least 1: a topic that keeps nothing can recover nobody"
        return yield* new InvalidOption({ option: `history.${name} of ${pattern}`, value: String(value), rule })
      }
    }
    const broker = yield* Effect.serviceOption(Broker)
    if (Option.isNone(broker)) {
      // The type of a rule asks for it: only a cast comes here.
      return yield* new InvalidOption({
        option: "topics",
        value: "given without a Broker",
        rule: "provide Broker.layerMemory() or another Broker"
      })
    }
    const bounds = { messages: options.queueMessages, bytes: options.queueBytes }
    // Of its own, so that it is closed in its turn: feeds come and go after the gateway's drain has been arranged.
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const feeds = new TopicFeeds(broker.value, bounds, scope)
    const clock = yield* Effect.clock
    return new TopicRegistry(broker.value, feeds, rules, options, () => monotonic(clock))
  })
