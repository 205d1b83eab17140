/** The topic that the pages of tests publish in and subscribe to. */
import { Schema } from "effect"
import { Topic } from "holdfast"

export const Numbers = Topic.make("numbers", Schema.Number)
export const numbers = Numbers.at({})
