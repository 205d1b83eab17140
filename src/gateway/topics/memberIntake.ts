/** What a session says of itself as a member of a topic, on its gateway: judged, and told. */
import * as Effect from "effect/Effect"
import { made } from "../../connection/bounded.js"
import type { MessageInvalid, MessageTooLarge, NotAllowed, TopicRefused } from "../../protocol/ConnectionError.js"
import type * as Protocol from "../../protocol/Protocol.js"
import { RefusedBody } from "../../protocol/refusedBody.js"
import type { Principal } from "../GatewaySession.js"
import type { Caller } from "../TopicRule.js"
import type { PresenceTracker } from "./presenceTracker.js"
import { refusal } from "./requestRefusal.js"
import type { Known } from "./topicRegistry.js"

/** The data that is told of it, for what it says. */
export const judged = <P extends Principal, R>(
  topic: string,
  { matched }: Known<P, R>,
  said: unknown,
  caller: Caller<P>
): Effect.Effect<unknown, TopicRefused, R> =>
  Effect.mapError(
    made(() => matched.memberData(said, caller)),
    (error) => untellable(topic, error)
  )

/** What a member publishes in the topic that tells the presence of `base`, it says of itself. */
export const update = <P extends Principal, R>(
  { body, topic }: Protocol.Publish,
  known: Known<P, R>,
  base: string,
  caller: Caller<P>,
  presence: PresenceTracker
): Effect.Effect<Protocol.Position, TopicRefused, R> =>
  Effect.gen(function* () {
    if (body instanceof RefusedBody) return yield* refusal(topic, body.code, body.issue)
    const data = yield* judged(topic, known, body, caller)
    const position = yield* presence.change(base, data)
    return position ?? (yield* refusal(topic, "not-subscribed", `this session is not subscribed to ${base}`))
  })

const untellable = (topic: string, error: NotAllowed | MessageInvalid | MessageTooLarge): TopicRefused => {
  switch (error._tag) {
    case "NotAllowed":
      return refusal(topic, "not-allowed", error.reason)
    case "MessageInvalid":
      return refusal(topic, "invalid-presence", error.issue)
    case "MessageTooLarge":
      return refusal(topic, "too-large", `${error.size} bytes of data of a member, and the limit is ${error.limit}`)
  }
}
