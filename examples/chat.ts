/** The messages and topics of the example chat, shared by its gateway, its client and its page. */
import { Schema } from "effect"
import { Messages, Topic } from "holdfast"

/** Asks for the same text back. */
export const Echo = Schema.TaggedStruct("Echo", { text: Schema.String })
export type Echo = typeof Echo.Type

export const Echoed = Schema.TaggedStruct("Echoed", { text: Schema.String })
export type Echoed = typeof Echoed.Type

const Text = Schema.NonEmptyString.pipe(Schema.maxLength(1000))

/** Says something in a room, as the session's principal: processed once it is published there. */
export const Say = Schema.TaggedStruct("Say", {
  // Percent-encoded, the room is part of a topic's name, which has a bound of its own.
  room: Schema.NonEmptyString.pipe(Schema.maxLength(20)),
  text: Text
})
export type Say = typeof Say.Type

/** A large text, in place of a file: processed once the room is told how large it was. */
export const Upload = Schema.TaggedStruct("Upload", { room: Say.fields.room, text: Schema.String })
export type Upload = typeof Upload.Type

export const Asked = Schema.Union(Echo, Say, Upload)
export type Asked = typeof Asked.Type

export const messages = Messages.make({ client: Asked, server: Echoed })

/** What is said in a room. */
export const Room = Topic.make("rooms/:room", Schema.Struct({ from: Schema.String, text: Text }))
