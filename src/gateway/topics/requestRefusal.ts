/** Why a client's request about a topic is refused, and how the client is told. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type TooManyKeys, TopicRefused } from "../../protocol/ConnectionError.js"
import { saidReason } from "../../protocol/oneLine.js"
import type { Request } from "../../protocol/requests.js"
import type { DeliveryBacklog } from "./deliveryBacklog.js"

/** A name as long as a client likes is not sent back whole. */
export const refusal = (topic: string, code: string, reason: string): TopicRefused =>
  new TopicRefused({ topic: topic.slice(0, 300), code, reason })

export const tooManySubscriptions = (topic: string, most: number): TopicRefused =>
  refusal(topic, "too-many-subscriptions", `a session may be subscribed to ${most} topics: unsubscribe from one first`)

/** Also of a session that has used up what it alone may. */
export const tooManyKeys = (topic: string, { message, retryAfter }: TooManyKeys): TopicRefused =>
  new TopicRefused({
    topic: topic.slice(0, 300),
    code: "too-many-keys",
    reason: message,
    retryAfter: Math.min(2 ** 31 - 1, Math.ceil(retryAfter))
  })

/** Tells the client. An interruption from outside does not come here: this one is a rule's own. */
export const tellRefused = (
  { id, topic }: Request,
  cause: Cause.Cause<TopicRefused>,
  backlog: DeliveryBacklog
): Effect.Effect<void> => {
  const found = Option.getOrUndefined(Cause.failureOption(cause))
  const told: Pick<TopicRefused, "code" | "reason" | "retryAfter"> =
    found instanceof TopicRefused ? found : { code: "failed", reason: "the server failed to answer" }
  const { code, reason, retryAfter } = told
  const say = Effect.sync(() => {
    const later = retryAfter === undefined ? {} : { retryAfter }
    backlog.say({ type: "error", code, reason: saidReason(reason), id, ...later })
  })
  if (told === found) return say
  return Effect.zipRight(Effect.logError(`holdfast: the rule of ${topic} failed`, cause), say)
}
