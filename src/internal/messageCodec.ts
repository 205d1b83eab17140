/** Application messages to payloads and back, through their Schema. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type { Codec, Payload } from "../Codec.js"
import { MessageInvalid } from "../ConnectionError.js"
import type { Typed } from "../Messages.js"

const issueOf = (issue: ParseResult.ParseIssue): string => ParseResult.TreeFormatter.formatIssueSync(issue)

export const encoder = <A>(
  schema: Typed<A>
): ((message: A, codec: Codec) => Either.Either<Payload, MessageInvalid>) => {
  const encode = ParseResult.encodeEither(schema)
  const invalid = (issue: string) => new MessageInvalid({ seq: undefined, issue })
  return (message, codec) => {
    const encoded = encode(message)
    if (Either.isLeft(encoded)) return Either.left(invalid(issueOf(encoded.left)))
    return Either.mapLeft(codec.payload(encoded.right), invalid)
  }
}

export const decoder = <A>(schema: Typed<A>): ((body: unknown, seq: number) => Either.Either<A, MessageInvalid>) => {
  const decode = ParseResult.decodeUnknownEither(schema)
  return (body, seq) => {
    try {
      return Either.mapLeft(decode(body), (issue) => new MessageInvalid({ seq, issue: issueOf(issue) }))
    } catch (error) {
      // The peer's nesting exhausts the stack of whoever walks through it.
      if (error instanceof RangeError) return Either.left(new MessageInvalid({ seq, issue: "nested too deeply" }))
      throw error
    }
  }
}
