/** What is said in the chaos: each value is said once, by whoever says it. */
import { Schema } from "effect"
import { Messages, Topic } from "holdfast"

export const Do = Schema.TaggedStruct("Do", { value: Schema.String })
export type Do = typeof Do.Type
export const Done = Schema.TaggedStruct("Done", { value: Schema.String })
export type Done = typeof Done.Type

export const messages = Messages.make({ client: Do, server: Done })

export const News = Topic.make("news", Schema.Struct({ value: Schema.String }))
