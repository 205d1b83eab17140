/** Publications to JSON text and back, through their topic's Schema. */
import * as Either from "effect/Either"
import { byteLength } from "./Codec.js"
import { MessageInvalid } from "./ConnectionError.js"
import type { Typed } from "./Messages.js"
import * as messageCodec from "./messageCodec.js"
import { msgpackSize } from "./msgpack/msgpackSize.js"
import type { Subprotocol } from "./Protocol.js"
import * as strictJson from "./strictJson.js"

export const encoder = <A>(schema: Typed<A>): ((value: A) => Either.Either<string, MessageInvalid>) => {
  const encode = messageCodec.encoded(schema)
  return (value) =>
    Either.flatMap(encode(value), (encoded) =>
      Either.mapLeft(strictJson.make(encoded), (issue) => new MessageInvalid({ seq: undefined, issue }))
    )
}

export const decoder = <A>(schema: Typed<A>): ((body: unknown) => Either.Either<A, MessageInvalid>) => {
  const decode = messageCodec.decoder(schema)
  return (body) => decode(body, undefined)
}

/** An array of `0.5` has 4 bytes an item in JSON and 9 in MessagePack; nothing has more. */
const mostGrowth = 9 / 4

/**
 * The bytes of a publication, given as JSON text, in the larger of its two
 * forms: a subscriber may have either, and takes no larger message.
 */
export const size = (json: string, limit: number): number => {
  const text = byteLength(json)
  if (text > limit || text * mostGrowth + 16 <= limit) return text
  return Math.max(text, msgpackSize(JSON.parse(json)))
}

/** A UTF-16 unit has at most three bytes of JSON text, which grow as above. */
const mostBytesOfUnit = 3 * mostGrowth

/** More bytes than a publication, given as JSON text, has in either form; found without looking at it. */
export const sizeBound = (json: string): number => json.length * mostBytesOfUnit + 16

/** The bytes of a publication, given as JSON text, in this form. */
export const sizeIn = (subprotocol: Subprotocol, json: string): number =>
  subprotocol === "holdfast.v1.json" ? byteLength(json) : msgpackSize(JSON.parse(json))
