/** A client's subscription as a Stream. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type MessageInvalid, type PositionLost, SessionClosed, TopicRefused } from "../protocol/ConnectionError.js"
import type { InvalidDecision, Typed } from "../protocol/Messages.js"
import { Member, type Position } from "../protocol/Protocol.js"
import * as publicationCodec from "../protocol/publicationCodec.js"
import type { PresenceEvent } from "../topic/Presence.js"
import * as Presence from "../topic/Presence.js"
import type { Ref } from "../topic/Topic.js"
import * as Topic from "../topic/Topic.js"
import * as memberData from "./memberData.js"
import type { Item } from "./publicationBuffer.js"
import type { Subscription } from "./subscription.js"
import type { LiveSubscription, Publication, SubscribeOptions, TooLarge } from "./subscriptionEvents.js"
import type { Subscriptions } from "./subscriptions.js"

type Failure = TopicRefused | PositionLost

/** The subscription, until the scope closes; a consumer that is being interrupted is waited for. */
const claimed = (
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined,
  data: unknown
): Effect.Effect<Subscription, TopicRefused, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const claim = Effect.withFiberRuntime<Subscription, TopicRefused, Scope.Scope>((fiber) => {
      const result = topics.claim(topic, since, data, fiber)
      if (result instanceof TopicRefused) return Effect.fail(result)
      return Effect.as(
        Effect.addFinalizer(() => Effect.sync(() => topics.release(result))),
        result
      )
    })
    const attempt: typeof claim = Effect.suspend(() => {
      const left = topics.whenLeft(topic)
      return left === undefined ? claim : Effect.flatMap(restore(left), (isLeft) => (isLeft ? attempt : claim))
    })
    return attempt
  })

/** What comes, as it is taken. */
const streamOf = <A>(take: Effect.Effect<ReadonlyArray<A>, Option.Option<Failure>>): Stream.Stream<A, Failure> =>
  Stream.repeatEffectChunkOption(Effect.map(take, Chunk.unsafeFromArray))

/** The subscription to a topic, with what this client says of itself there. */
const subscribed = <A, D>(
  topics: Subscriptions,
  { name, presence }: Ref<A, D>,
  { presence: said, since }: SubscribeOptions<D> = {}
): Effect.Effect<Subscription, TopicRefused, Scope.Scope> => {
  if (said === undefined || presence === undefined) return claimed(topics, name, since, undefined)
  return Either.match(publicationCodec.encoder(presence)(said), {
    onLeft: ({ issue }) => Effect.fail(new TopicRefused({ topic: name, code: "invalid-presence", reason: issue })),
    onRight: (text) => {
      const data: unknown = JSON.parse(text)
      return Effect.tap(claimed(topics, name, since, data), (subscription) =>
        // The server's wish is asked for already, without it.
        subscription.data === data
          ? Effect.void
          : Effect.forkScoped(memberData.announce(topics, name, data, text.length))
      )
    }
  })
}

/** What becomes of bodies that do not decode. */
type OnInvalid = (error: MessageInvalid) => Effect.Effect<InvalidDecision>

const decoded =
  <A>(schema: Typed<A>, onInvalid: OnInvalid) =>
  ({ take }: Subscription): Effect.Effect<ReadonlyArray<Publication<A> | TooLarge>, Option.Option<Failure>> => {
    const decode = publicationCodec.decoder(schema)
    // Taken and not handed on yet: what follows a body that does not decode comes after that was dealt with.
    let rest: ReadonlyArray<Item> = []
    const next: Effect.Effect<ReadonlyArray<Publication<A> | TooLarge>, Option.Option<Failure>> = Effect.suspend(() => {
      const publications: Array<Publication<A> | TooLarge> = []
      for (const [at, item] of rest.entries()) {
        if (item._tag === "TooLarge") publications.push({ position: item.position, skipped: "too-large" })
        if (item._tag !== "Publication") continue
        const { body, position, skipped } = item
        const read = decode(body)
        if (read._tag === "Right") {
          publications.push({ position, skipped, value: read.right })
          continue
        }
        const isFirst = publications.length === 0
        rest = rest.slice(isFirst ? at + 1 : at)
        return isFirst ? Effect.zipRight(onInvalid(read.left), next) : Effect.succeed(publications)
      }
      rest = []
      if (publications.length > 0) return Effect.succeed(publications)
      return Effect.flatMap(take, (taken) => {
        rest = taken
        return next
      })
    })
    return next
  }

/** From the claim of the topic to the end of the stream. */
export const publications = <A, D>(
  topics: Subscriptions,
  topic: Ref<A, D>,
  options: SubscribeOptions<D> | undefined,
  onInvalid: OnInvalid
): Stream.Stream<Publication<A> | TooLarge, Failure> =>
  Stream.unwrapScoped(
    Effect.map(subscribed(topics, topic, options), (subscription) =>
      streamOf(decoded(topic.schema, onInvalid)(subscription))
    )
  )

/** From the claim of the topic to the end of the scope; done when the server has subscribed it. */
export const live = <A, D>(
  topics: Subscriptions,
  topic: Ref<A, D>,
  options: SubscribeOptions<D> | undefined,
  onInvalid: OnInvalid
): Effect.Effect<LiveSubscription<A>, Failure | SessionClosed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const opened = Effect.gen(function* () {
      const subscription = yield* subscribed(topics, topic, options)
      const position = yield* Effect.mapError(
        subscription.live,
        Option.getOrElse(() => new SessionClosed({ reason: "the client has ended" }))
      )
      return { position, publications: streamOf(decoded(topic.schema, onInvalid)(subscription)) }
    })
    // Refused, or given up: another may ask for the topic at once.
    return yield* Effect.onError(Scope.extend(opened, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  })

const Change = Schema.Union(
  Schema.TaggedStruct("Joined", { member: Member }),
  Schema.TaggedStruct("Changed", { member: Member }),
  Schema.TaggedStruct("Left", { member: Member })
)
const decodePresence = Schema.decodeUnknownOption(Change)

export const presence = <A, D>(
  topics: Subscriptions,
  topic: Ref<A, D>
): Stream.Stream<PresenceEvent<D>, TopicRefused> => {
  const read = Presence.reader(topic)
  const name = Topic.presenceOf(topic.name)
  return Stream.unwrapScoped(
    Effect.map(claimed(topics, name, undefined, undefined), ({ take }) => streamOf(take))
  ).pipe(
    Stream.filterMap((item): Option.Option<PresenceEvent<D>> => {
      if (item._tag === "Members") return Option.some({ _tag: "Members", members: item.members.map(read) })
      if (item._tag !== "Publication") return Option.none()
      // What a later version may tell besides is not for this one.
      return Option.map(decodePresence(item.body), ({ _tag, member }) => ({ _tag, member: read(member) }))
    }),
    // A presence topic is asked for anew instead.
    Stream.catchAll((failure) => (failure._tag === "PositionLost" ? Stream.die(failure) : Stream.fail(failure)))
  )
}
