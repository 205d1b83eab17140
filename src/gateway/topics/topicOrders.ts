/** `gateway.invite` and `gateway.unsubscribe`: to sessions wherever they live, all by the same way. */
import * as Effect from "effect/Effect"
import { type StoreUnavailable, TopicRefused } from "../../protocol/ConnectionError.js"
import { saidReason } from "../../protocol/oneLine.js"
import type { Target } from "../../session/SessionStore.js"
import type { Gateway } from "../GatewaySession.js"
import type { TopicOrder } from "../session/topicOrder.js"
import type { TopicRegistry } from "./topicRegistry.js"

type Topics = Pick<Gateway<never>, "invite" | "unsubscribe">

/** Leaves an order for the sessions of a target, and tells for how many. */
type Leave = (target: Target, order: TopicOrder) => Effect.Effect<number, StoreUnavailable>

const noTopics = ({ name }: { readonly name: string }) =>
  Effect.fail(new TopicRefused({ topic: name, code: "unknown-topic", reason: "this gateway has no topics" }))

export const make = (topics: TopicRegistry<never, unknown> | undefined, leave: Leave): Topics => {
  if (topics === undefined) return { invite: noTopics, unsubscribe: noTopics }
  return {
    invite: ({ name }, target, options) =>
      Effect.flatMap(topics.invitation(name, options?.since), ({ since }) =>
        leave(target, { _tag: "Invite", topic: name, since })
      ),
    unsubscribe: ({ name }, target, reason = "the server ended the subscription") =>
      Effect.flatMap(topics.named(name), () =>
        leave(target, { _tag: "Unsubscribe", topic: name, reason: saidReason(reason) })
      )
  }
}
