/** A client's subscription as a Stream. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type MessageInvalid, type PositionLost, SessionClosed, TopicRefused } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import { Member, type Position } from "../protocol/Protocol.js"
import type { Item } from "./publicationBuffer.js"
import type { Subscription } from "./subscription.js"
import type { LiveSubscription, PresenceEvent, Publication, TooLarge } from "./subscriptionEvents.js"
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

/** What comes, as it is taken. */
const streamOf = <A>(take: Effect.Effect<ReadonlyArray<A>, Option.Option<Failure>>): Stream.Stream<A, Failure> =>
  Stream.repeatEffectChunkOption(Effect.map(take, Chunk.unsafeFromArray))

/** How the bodies of a topic are read. */
interface Reading<A> {
  readonly decode: (body: unknown) => Either.Either<A, MessageInvalid>
  readonly onInvalid: (error: MessageInvalid) => Effect.Effect<InvalidDecision>
}

const decoded =
  <A>({ decode, onInvalid }: Reading<A>) =>
  ({ take }: Subscription): Effect.Effect<ReadonlyArray<Publication<A> | TooLarge>, Option.Option<Failure>> => {
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
export const publications = <A>(
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined,
  reading: Reading<A>
): Stream.Stream<Publication<A> | TooLarge, Failure> =>
  Stream.unwrapScoped(
    Effect.map(claimed(topics, topic, since), (subscription) => streamOf(decoded(reading)(subscription)))
  )

/** From the claim of the topic to the end of the scope; done when the server has subscribed it. */
export const live = <A>(
  topics: Subscriptions,
  topic: string,
  since: Position | "oldest" | undefined,
  reading: Reading<A>
): Effect.Effect<LiveSubscription<A>, Failure | SessionClosed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const opened = Effect.gen(function* () {
      const subscription = yield* claimed(topics, topic, since)
      const position = yield* Effect.mapError(
        subscription.live,
        Option.getOrElse(() => new SessionClosed({ reason: "the client has ended" }))
      )
      return { position, publications: streamOf(decoded(reading)(subscription)) }
    })
    // Refused, or given up: another may ask for the topic at once.
    return yield* Effect.onError(Scope.extend(opened, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  })

const Change = Schema.Union(
  Schema.TaggedStruct("Joined", { member: Member }),
  Schema.TaggedStruct("Left", { member: Member })
)
const decodePresence = Schema.decodeUnknownOption(Change)

export const presence = (topics: Subscriptions, topic: string): Stream.Stream<PresenceEvent, TopicRefused> =>
  Stream.unwrapScoped(Effect.map(claimed(topics, topic, undefined), ({ take }) => streamOf(take))).pipe(
    Stream.filterMap((item): Option.Option<PresenceEvent> => {
      if (item._tag === "Members") return Option.some({ _tag: "Members", members: item.members })
      // What a later version may tell besides is not for this one.
      return item._tag === "Publication" ? decodePresence(item.body) : Option.none()
    }),
    // A presence topic is asked for anew instead.
    Stream.catchAll((failure) => (failure._tag === "PositionLost" ? Stream.die(failure) : Stream.fail(failure)))
  )
