/** Application messages to payloads and back, through their Schema. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type { Codec, Payload } from "./Codec.js"
import { MessageInvalid } from "./ConnectionError.js"
import type { Typed } from "./Messages.js"
import { RefusedBody } from "./refusedBody.js"
import * as schemaIssue from "./schemaIssue.js"

const unsendable = (issue: string) => new MessageInvalid({ seq: undefined, issue })

/** Application values to their encoded form. */
export const encoded = <A>(schema: Typed<A>): ((value: A) => Either.Either<unknown, MessageInvalid>) => {
  const encode = ParseResult.encodeEither(schema)
  return (value) => Either.mapLeft(encode(value), (issue) => unsendable(schemaIssue.describe(issue)))
}

export const encoder = <A>(
  schema: Typed<A>
): ((message: A, codec: Codec) => Either.Either<Payload, MessageInvalid>) => {
  const encode = encoded(schema)
  return (message, codec) =>
    Either.flatMap(encode(message), (value) => Either.mapLeft(codec.payload(value), unsendable))
}

/** `seq` is the message's, undefined for a publication. */
export const decoder = <A>(
  schema: Typed<A>
): ((body: unknown, seq: number | undefined) => Either.Either<A, MessageInvalid>) => {
  const decode = ParseResult.decodeUnknownEither(schema)
  return (body, seq) => {
    if (body instanceof RefusedBody) return Either.left(new MessageInvalid({ seq, issue: body.issue }))
    try {
      return Either.mapLeft(decode(body), (issue) => new MessageInvalid({ seq, issue: schemaIssue.describe(issue) }))
    } catch (error) {
      // The peer's nesting exhausts the stack of whoever walks through it.
      if (error instanceof RangeError) return Either.left(new MessageInvalid({ seq, issue: "nested too deeply" }))
      throw error
    }
  }
}
