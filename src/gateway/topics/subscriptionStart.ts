/** The start of a subscription: in the topic's log, or at who is there now. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { BrokerUnavailable } from "../../protocol/ConnectionError.js"
import type { Policy, Subscribe } from "../../protocol/Protocol.js"
import type { Broker } from "../../topic/Broker.js"
import type { MemberSnapshot } from "./memberSnapshot.js"
import * as subscriber from "./subscriber.js"
import type { TopicFeed } from "./topicFeed.js"

export interface SubscriptionStart extends subscriber.Start {
  /** Of a presence topic, unless it was recovered. */
  readonly snapshot: MemberSnapshot | undefined
}

interface Subscribable {
  readonly name: string
  readonly policy: Policy
  readonly presenceOf: string | undefined
}

export const find = (
  broker: Context.Tag.Service<Broker>,
  { name, policy, presenceOf }: Subscribable,
  since: Subscribe["since"],
  feed: TopicFeed
): Effect.Effect<SubscriptionStart, BrokerUnavailable> => {
  const logged = (): Effect.Effect<SubscriptionStart, BrokerUnavailable> =>
    Effect.map(subscriber.start(broker, name, policy, since), (start) => ({ ...start, snapshot: undefined }))
  if (presenceOf === undefined) return logged()
  const snapshot = (answer: Partial<subscriber.Start["answer"]>): Effect.Effect<SubscriptionStart, BrokerUnavailable> =>
    Effect.map(broker.members(presenceOf, name), ({ members, position }) => ({
      answer: { recovered: true, ...answer, position },
      from: position,
      publications: [],
      snapshot: feed.membersAt(position, members)
    }))
  if (typeof since !== "object") return snapshot({})
  return Effect.flatMap(logged(), (start) => (start.answer.recovered ? Effect.succeed(start) : snapshot(start.answer)))
}
