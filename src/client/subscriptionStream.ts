/** A client's subscription as a Stream. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type MessageInvalid, type PositionLost, TopicRefused } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import { Member, type Position } from "../protocol/Protocol.js"
import type { Item } from "./publicationBuffer.js"
import type { Subscription } from "./subscription.js"
import type { PresenceEvent, Publication, TooLarge } from "./subscriptionEvents.js"
import type { Subscriptions } from "./subscriptions.js"

type Failure = TopicRefused | PositionLost

/** The subscription, until the scope closes; a consumer that is being interrupted is waited for. */
const claimed = (
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined
): Effect.Effect<Subscription, TopicRefused, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const claim = Effect.withFiberRuntime<Subscription, TopicRefused, Scope.Scope>((fiber) => {
      const result = topics.claim(topic, since, fiber)
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

/** Everything that comes, from the claim of the topic to the end of its scope. */
const items = <A>(
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined,
  take: (subscription: Subscription) => Effect.Effect<ReadonlyArray<A>, Option.Option<Failure>>
): Stream.Stream<A, Failure> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const subscription = yield* claimed(topics, topic, since)
      return Stream.repeatEffectChunkOption(Effect.map(take(subscription), Chunk.unsafeFromArray))
    })
  )

export const publications = <A>(
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined,
  decode: (body: unknown) => Either.Either<A, MessageInvalid>,
  onInvalid: (error: MessageInvalid) => Effect.Effect<InvalidDecision>
): Stream.Stream<Publication<A> | TooLarge, Failure> =>
  items(topics, topic, since, ({ take }) => {
    // Taken and not handed on yet: what follows a body that does not decode comes after that was dealt with.
    let rest: ReadonlyArray<Item> = []
    const next: Effect.Effect<ReadonlyArray<Publication<A> | TooLarge>, Option.Option<Failure>> = Effect.suspend(() => {
      const publications: Array<Publication<A> | TooLarge> = []
      for (const [at, item] of rest.entries()) {
        if (item._tag === "TooLarge") publications.push({ position: item.position, skipped: "too-large" })
        if (item._tag !== "Publication") continue
        const { body, position, skipped } = item
        const decoded = decode(body)
        if (decoded._tag === "Right") {
          publications.push({ position, skipped, value: decoded.right })
          continue
        }
        const isFirst = publications.length === 0
        rest = rest.slice(isFirst ? at + 1 : at)
        return isFirst ? Effect.zipRight(onInvalid(decoded.left), next) : Effect.succeed(publications)
      }
      rest = []
      if (publications.length > 0) return Effect.succeed(publications)
      return Effect.flatMap(take, (taken) => {
        rest = taken
        return next
      })
    })
    return next
  })

const Change = Schema.Union(
  Schema.TaggedStruct("Joined", { member: Member }),
  Schema.TaggedStruct("Left", { member: Member })
)
const decodePresence = Schema.decodeUnknownOption(Change)

export const presence = (topics: Subscriptions, topic: string): Stream.Stream<PresenceEvent, TopicRefused> =>
  items(topics, topic, undefined, ({ take }) => take).pipe(
    Stream.filterMap((item): Option.Option<PresenceEvent> => {
      if (item._tag === "Members") return Option.some({ _tag: "Members", members: item.members })
      // What a later version may tell besides is not for this one.
      return item._tag === "Publication" ? decodePresence(item.body) : Option.none()
    }),
    // A presence topic is asked for anew instead.
    Stream.catchAll((failure) => (failure._tag === "PositionLost" ? Stream.die(failure) : Stream.fail(failure)))
  )
