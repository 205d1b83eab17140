/** Publications to JSON text and back, through their topic's Schema. */
import * as Either from "effect/Either"
import { MessageInvalid } from "../ConnectionError.js"
import type { Typed } from "../Messages.js"
import * as jsonText from "./jsonText.js"
import * as messageCodec from "./messageCodec.js"

export const encoder = <A>(schema: Typed<A>): ((value: A) => Either.Either<string, MessageInvalid>) => {
  const encode = messageCodec.encoded(schema)
  return (value) =>
    Either.flatMap(encode(value), (encoded) =>
      Either.mapLeft(jsonText.make(encoded), (issue) => new MessageInvalid({ seq: undefined, issue }))
    )
}

export const decoder = <A>(schema: Typed<A>): ((body: unknown) => Either.Either<A, MessageInvalid>) => {
  const decode = messageCodec.decoder(schema)
  return (body) => decode(body, undefined)
}
