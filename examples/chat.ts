/** The messages of the example chat, shared by its gateway and its client. */
import { Schema } from "effect"
import { Messages } from "holdfast"

export const ClientMessage = Schema.Union(
  /** Asks for the same text back. */
  Schema.TaggedStruct("Echo", { text: Schema.String }),
  /** Says something to everybody. */
  Schema.TaggedStruct("Say", { text: Schema.NonEmptyString.pipe(Schema.maxLength(1000)) })
)
export type ClientMessage = typeof ClientMessage.Type

export const ServerMessage = Schema.Union(
  Schema.TaggedStruct("Echoed", { text: Schema.String }),
  Schema.TaggedStruct("Said", { from: Schema.String, text: Schema.String }),
  Schema.TaggedStruct("Joined", { who: Schema.String }),
  Schema.TaggedStruct("Left", { who: Schema.String, why: Schema.String })
)
export type ServerMessage = typeof ServerMessage.Type

export const messages = Messages.make({ client: ClientMessage, server: ServerMessage })
