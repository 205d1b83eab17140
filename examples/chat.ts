/** The messages and topics of the example chat, shared by its gateway and its client. */
import { Schema } from "effect"
import { Messages, Topic } from "holdfast"

/** Asks for the same text back. */
export const Echo = Schema.TaggedStruct("Echo", { text: Schema.String })
export type Echo = typeof Echo.Type

export const Echoed = Schema.TaggedStruct("Echoed", { text: Schema.String })
export type Echoed = typeof Echoed.Type

export const messages = Messages.make({ client: Echo, server: Echoed })

/** What is said in a room. */
export const Room = Topic.make(
  "rooms/:room",
  Schema.Struct({ from: Schema.String, text: Schema.NonEmptyString.pipe(Schema.maxLength(1000)) })
)
