/** What a client says of itself as a member of a topic. */
import * as Effect from "effect/Effect"
import { TopicRefused } from "../protocol/ConnectionError.js"
import * as Topic from "../topic/Topic.js"
import type { Fate } from "./publishQueue.js"
import type { Subscriptions } from "./subscriptions.js"

/** Of a topic that has no Schema for it: no value is of its type. */
export const saysNothing = (topic: string): TopicRefused =>
  new TopicRefused({
    topic,
    code: "invalid-presence",
    reason: "its members say nothing of themselves: give Topic.make a `presence` Schema"
  })

/** Says something else, on each connection from now on, and waits until that is told. */
export const update = (topics: Subscriptions, topic: string, data: unknown, size: number): Effect.Effect<void, Fate> =>
  Effect.suspend(() => {
    const subscription = topics.claimed(topic)
    if (subscription === undefined) {
      const reason = "this client is not subscribed to it: it is a member while it reads its publications"
      return Effect.fail(new TopicRefused({ topic, code: "not-subscribed", reason }))
    }
    return Effect.map(topics.publications.publish(Topic.presenceOf(topic), undefined, data, size), () => {
      subscription.data = data
    })
  })

/** The same, where nobody waits for it. */
export const announce = (topics: Subscriptions, topic: string, data: unknown, size: number): Effect.Effect<void> =>
  Effect.catchAll(update(topics, topic, data, size), (failure) =>
    Effect.sync(() => {
      if (failure._tag === "TopicRefused") topics.options.refused(failure)
    })
  )
