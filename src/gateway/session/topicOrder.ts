/**
 * What another gateway has asked of a session about a topic: it is left in the session's mailbox, among the messages to its client,
 * and done by the gateway that the session lives on, or comes to.
 */
import * as Schema from "effect/Schema"
import { Position } from "../../protocol/Protocol.js"

const TopicOrder = Schema.Union(
  Schema.TaggedStruct("Invite", { topic: Schema.String, since: Schema.Union(Position, Schema.Literal("oldest")) }),
  Schema.TaggedStruct("Unsubscribe", { topic: Schema.String, reason: Schema.String })
)

export type TopicOrder = typeof TopicOrder.Type

const json = Schema.parseJson(TopicOrder)

export const encode = Schema.encodeSync(json)

/** Of what a later version may ask for, nothing is known here. */
export const decode = Schema.decodeUnknownOption(json)
