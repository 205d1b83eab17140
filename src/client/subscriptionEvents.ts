/** What a client asks of a subscription, and what comes of it. */
import type * as Stream from "effect/Stream"
import type { PositionLost, TopicRefused } from "../protocol/ConnectionError.js"
import type { Position } from "../protocol/Protocol.js"

/**
 * The options of a subscription.
 *
 * @since 0.1.0
 * @category models
 */
export interface SubscribeOptions<D> {
  /** Where to go on, or `"oldest"`: from the oldest that is kept. Default: from now on. */
  readonly since?: Position | "oldest" | undefined
  /** What is told of this client as a member of the topic, beside its ids, until `updatePresence` says something else. */
  readonly presence?: D | undefined
}

/**
 * A publication of a topic. `skipped` publications came before it and after the
 * one before, as the topic's policy allows, in the same epoch; where the
 * position's epoch has changed, it is not known how many.
 *
 * @since 0.1.0
 * @category models
 */
export interface Publication<A> {
  readonly position: Position
  readonly value: A
  readonly skipped: number
}

/**
 * The place of a publication that was larger than this client's `maxMessage`, and came without its value. How many were
 * skipped before it, its offset tells. Whoever has no use for it leaves it out with `Stream.filter(Client.hasValue)`.
 *
 * @since 0.1.0
 * @category models
 */
export interface TooLarge {
  readonly position: Position
  readonly value?: undefined
  readonly skipped: "too-large"
}

/**
 * A subscription that is live: `publications` are those after `position`, through all reconnects, to be read once.
 *
 * @since 0.1.0
 * @category models
 */
export interface LiveSubscription<A> {
  readonly position: Position
  readonly publications: Stream.Stream<Publication<A> | TooLarge, TopicRefused | PositionLost>
}

/**
 * True when a publication has come with its value.
 *
 * @since 0.1.0
 * @category guards
 */
export const hasValue = <A>(publication: Publication<A> | TooLarge): publication is Publication<A> =>
  publication.skipped !== "too-large"
