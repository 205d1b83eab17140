/**
 * The hints that nodes give each other about sessions, on the channel of the one that is
 * told: hints, which may be lost.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { tagged } from "../keys.js"
import { type Call, say } from "../script.js"

const Tombstone = Schema.Union(
  Schema.TaggedStruct("Expired", {}),
  Schema.TaggedStruct("Overflow", {}),
  Schema.TaggedStruct("Ended", { reason: Schema.String, final: Schema.Boolean })
)

const Hint = Schema.Union(
  /** A newer generation owns the session. */
  Schema.TaggedStruct("TakenOver", { id: Schema.String, generation: Schema.Number }),
  Schema.TaggedStruct("Removed", {
    id: Schema.String,
    generation: Schema.Number,
    tombstone: Schema.UndefinedOr(Tombstone)
  }),
  Schema.TaggedStruct("Mail", { id: Schema.String })
)
export type Hint = typeof Hint.Type

const decodeHint = ParseResult.decodeUnknownEither(Schema.parseJson(Hint))

/** The channel of a node. */
export const name = (prefix: string, node: string): string => tagged(prefix, "n", node)

/** The call that tells a node. One that does not arrive costs time, and nothing else. */
export const telling = (prefix: string, node: string, hint: Hint): Call => ({
  script: say,
  keys: [name(prefix, node)],
  args: [JSON.stringify(hint)]
})

/** Undefined for what is none: a node of another version may have more to say. */
export const decode = (text: string): Hint | undefined => Either.getOrUndefined(decodeHint(text))
