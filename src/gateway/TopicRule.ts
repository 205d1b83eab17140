/**
 * Rules of the topics of a gateway: what is allowed in them, and how slow subscribers are treated.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { byteLength } from "../protocol/Codec.js"
import { type MessageInvalid, MessageTooLarge, NotAllowed } from "../protocol/ConnectionError.js"
import type { Typed } from "../protocol/Messages.js"
import type { Policy } from "../protocol/Protocol.js"
import * as publicationCodec from "../protocol/publicationCodec.js"
import type { Broker, Retention } from "../topic/Broker.js"
import { defaultRetention } from "../topic/Broker.js"
import type { Topic } from "../topic/Topic.js"
import type { Principal } from "./principal.js"

/**
 * The session that asks about a topic, and its owner.
 *
 * @since 0.1.0
 * @category models
 */
export interface Caller<P extends Principal> {
  readonly session: string
  readonly principal: P
}

/**
 * The options of a rule: what clients may do in its topics, how much is kept, and what slow subscribers miss.
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicOptions<
  A,
  Params,
  P extends Principal,
  RSubscribe = never,
  RPublish = never,
  D = never,
  RPresence = never
> {
  /** Judges who may subscribe: asked at each subscription, those after a reconnect included. */
  readonly subscribe: (params: Params, caller: Caller<P>) => Effect.Effect<void, NotAllowed, RSubscribe>
  /** Judges who may publish what. Default: no client may. */
  readonly publish?:
    | ((params: Params, value: A, caller: Caller<P>) => Effect.Effect<void, NotAllowed, RPublish>)
    | undefined
  /** The fate of publications that wait for a slow subscriber. Default `disconnect`: nothing is skipped. */
  readonly policy?: Policy | undefined
  /** How much of the past can be recovered. Default 1000 messages, 16 MiB, 5 minutes. */
  readonly history?:
    | {
        readonly messages?: number | undefined
        /** UTF-16 units of their JSON texts. */
        readonly bytes?: number | undefined
        readonly age?: Duration.DurationInput | undefined
      }
    | undefined
  /** True, or what there is to say of it, when subscribers may know of each other. Default false. */
  readonly presence?: boolean | PresenceOptions<D, Params, P, RPresence> | undefined
}

/**
 * What subscribers may know of each other beside their ids: data, where the topic has a Schema for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface PresenceOptions<D, Params, P extends Principal, R = never> {
  /** Judges what a session says of itself, if it says anything, and gives what is told of it. Default: what it says. */
  readonly data?:
    | ((params: Params, said: D | undefined, caller: Caller<P>) => Effect.Effect<D | undefined, NotAllowed, R>)
    | undefined
  /** Bytes of the JSON of the data of one member. Default 1024. */
  readonly maxBytes?: number | undefined
}

/**
 * A topic that a rule is for, as a client named it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Matched<in P extends Principal, out R> {
  readonly maySubscribe: (caller: Caller<P>) => Effect.Effect<void, NotAllowed, R>
  /** The JSON text to publish for a body that a client sent. */
  readonly mayPublish: (body: unknown, caller: Caller<P>) => Effect.Effect<string, NotAllowed | MessageInvalid, R>
  /** The data that is told of a member, a JSON value, for what it says of itself. */
  readonly memberData: (
    said: unknown,
    caller: Caller<P>
  ) => Effect.Effect<unknown, NotAllowed | MessageInvalid | MessageTooLarge, R>
}

/**
 * A rule for all topics of a pattern; made with `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicRule<in P extends Principal, out R> {
  readonly pattern: string
  readonly policy: Policy
  readonly retention: Retention
  readonly presence: boolean
  /** The topic of this name; undefined where the pattern does not fit. */
  readonly match: (name: string) => Matched<P, R> | undefined
}

/**
 * Rules, each of which may need services of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type Rules<P extends Principal, Rs extends ReadonlyArray<unknown>> = {
  readonly [K in keyof Rs]: TopicRule<P, Rs[K]>
}

/**
 * Makes rules for a gateway whose principals are of this type.
 *
 * @since 0.1.0
 * @category models
 */
export type MakeRule<P extends Principal> = <
  A,
  Params,
  RSubscribe = never,
  RPublish = never,
  D = never,
  RPresence = never
>(
  topic: Topic<A, Params, D>,
  options: TopicOptions<A, Params, P, RSubscribe, RPublish, D, RPresence>
) => TopicRule<P, RSubscribe | RPublish | RPresence | Broker>

/**
 * Allows it to everybody.
 *
 * @since 0.1.0
 * @category constructors
 */
export const allow = (): Effect.Effect<void> => Effect.void

const refuse = (): Effect.Effect<never, NotAllowed> =>
  Effect.fail(new NotAllowed({ reason: "clients do not publish here" }))

/**
 * A gateway's rule for topics, as `Gateway.topic`:
 *
 * ```ts
 * Gateway.topic(Room, {
 *   subscribe: ({ room }, { principal }) => (isMember(principal, room) ? Effect.void : new NotAllowed({ reason: "not a member" })),
 *   publish: Gateway.allow,
 *   presence: true
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  A,
  Params,
  P extends Principal = Principal,
  RSubscribe = never,
  RPublish = never,
  D = never,
  RPresence = never
>(
  topic: Topic<A, Params, D>,
  options: TopicOptions<A, Params, P, RSubscribe, RPublish, D, RPresence>
): TopicRule<P, RSubscribe | RPublish | RPresence | Broker> => {
  const { history, policy = "disconnect", presence = false, publish = refuse, subscribe } = options
  const { messages = defaultRetention.messages, bytes = defaultRetention.bytes, age } = history ?? {}
  const retention = {
    messages,
    bytes,
    age: age === undefined ? defaultRetention.age : Duration.toMillis(age)
  }
  const decode = publicationCodec.decoder(topic.schema)
  const encode = publicationCodec.encoder(topic.schema)
  const member = memberData(topic.presence, typeof presence === "object" ? presence : {})
  return {
    pattern: topic.pattern,
    policy,
    retention,
    presence: presence !== false,
    match: (name) => {
      const params = topic.match(name)
      if (params === undefined) return undefined
      return {
        maySubscribe: (caller) => subscribe(params, caller),
        mayPublish: (body, caller) =>
          Effect.flatMap(decode(body), (value) => Effect.zipRight(publish(params, value, caller), encode(value))),
        memberData: (said, caller) => member(params, said, caller)
      }
    }
  }
}

const dataBytes = 1024

/** From what a member says of itself, as it came, to what is told of it. */
const memberData =
  <D, Params, P extends Principal, R>(
    schema: Typed<D> | undefined,
    { data: judge, maxBytes = dataBytes }: PresenceOptions<D, Params, P, R>
  ) =>
  (
    params: Params,
    said: unknown,
    caller: Caller<P>
  ): Effect.Effect<unknown, NotAllowed | MessageInvalid | MessageTooLarge, R> =>
    Effect.gen(function* () {
      if (schema === undefined) {
        if (said === undefined) return undefined
        return yield* new NotAllowed({ reason: "members of this topic say nothing of themselves" })
      }
      const read = said === undefined ? undefined : yield* publicationCodec.decoder(schema)(said)
      const told = judge === undefined ? read : yield* judge(params, read, caller)
      if (told === undefined) return undefined
      const text = yield* publicationCodec.encoder(schema)(told)
      const size = byteLength(text)
      if (size > maxBytes) return yield* new MessageTooLarge({ size, limit: maxBytes })
      return JSON.parse(text)
    })
