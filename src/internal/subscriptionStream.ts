/** A client's subscription as a Stream. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { PresenceEvent, Publication } from "../Client.js"
import { type MessageInvalid, type PositionLost, TopicRefused } from "../ConnectionError.js"
import type { InvalidDecision } from "../Messages.js"
import { Member, type Position } from "../Protocol.js"
import type { ClientTopics } from "./clientTopics.js"
import type { Item } from "./topicSubscription.js"

type Failure = TopicRefused | PositionLost

/** Everything that comes, from the claim of the topic to the end of its scope. */
const items = (
  topics: ClientTopics,
  topic: string,
  since: Position | "oldest" | undefined
): Stream.Stream<Item, Failure> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const subscription = yield* Effect.acquireRelease(
        Effect.suspend(() => {
          const claimed = topics.claim(topic, since)
          return claimed instanceof TopicRefused ? Effect.fail(claimed) : Effect.succeed(claimed)
        }),
        (claimed) => Effect.sync(() => topics.release(claimed))
      )
      return Stream.repeatEffectChunkOption(Effect.map(subscription.take, Chunk.unsafeFromArray))
    })
  )

export const publications = <A>(
  topics: ClientTopics,
  topic: string,
  since: Position | "oldest" | undefined,
  decode: (body: unknown) => Either.Either<A, MessageInvalid>,
  onInvalid: (error: MessageInvalid) => Effect.Effect<InvalidDecision>
): Stream.Stream<Publication<A>, Failure> =>
  items(topics, topic, since).pipe(
    Stream.mapEffect((item): Effect.Effect<Option.Option<Publication<A>>> => {
      if (item._tag !== "Publication") return Effect.succeedNone
      const { body, position, skipped } = item
      const decoded = decode(body)
      return decoded._tag === "Right"
        ? Effect.succeedSome({ position, skipped, value: decoded.right })
        : Effect.as(onInvalid(decoded.left), Option.none())
    }),
    Stream.filterMap((publication) => publication)
  )

const Change = Schema.Union(
  Schema.TaggedStruct("Joined", { member: Member }),
  Schema.TaggedStruct("Left", { member: Member })
)
const decodePresence = Schema.decodeUnknownOption(Change)

export const presence = (topics: ClientTopics, topic: string): Stream.Stream<PresenceEvent, TopicRefused> =>
  items(topics, topic, undefined).pipe(
    Stream.filterMap((item): Option.Option<PresenceEvent> => {
      if (item._tag === "Members") return Option.some({ _tag: "Members", members: item.members })
      // What a later version may tell besides is not for this one.
      return decodePresence(item.body)
    }),
    // A presence topic is asked for anew instead.
    Stream.catchAll((failure) => (failure._tag === "PositionLost" ? Stream.die(failure) : Stream.fail(failure)))
  )
