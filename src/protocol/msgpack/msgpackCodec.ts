/** `holdfast.v1.msgpack`, in a module of its own: what speaks JSON alone need not bundle it. */
import * as Either from "effect/Either"
import { CloseCode } from "../CloseCode.js"
import type { Frame, Payload } from "../frame.js"
import type * as Protocol from "../Protocol.js"
import { fieldNames, type Malformed, malformed, validate } from "../validate.js"
import { Flaw, MsgpackReader } from "./msgpackReader.js"
import { type MsgpackWriter, Unwritable, written } from "./msgpackWriter.js"

const encoded = (value: unknown): Uint8Array => written((writer) => writer.value(value).end())

const joined = (...values: ReadonlyArray<unknown>): Uint8Array =>
  written((writer) => values.reduce<MsgpackWriter>((all, value) => all.value(value), writer).end())

/** The bytes that stand between the values of a `data` message. */
const upToSeq = joined("type", "data", "seq")
const upToAck = joined("ack")
const confirmed = joined("confirm", true)
const upToBody = joined("body")
const maps = { confirmed: Uint8Array.of(0x85), plain: Uint8Array.of(0x84) }

const refusal = (error: unknown): string =>
  error instanceof Unwritable ? error.reason : "a part of it cannot be read, or its toJSON fails"

const payload = (body: unknown): Either.Either<Uint8Array, string> => {
  if (body === undefined) return Either.left("undefined has no MessagePack form")
  try {
    return written((writer) => {
      // In a message, it is one level down.
      const bytes = writer.inside().value(body).end()
      return writer.hasHalves ? Either.left("a lone surrogate is no text") : Either.right(bytes)
    })
  } catch (error) {
    return Either.left(refusal(error))
  }
}

const decode = (frame: Uint8Array): Protocol.Message | Malformed => {
  let value: unknown
  try {
    value = new MsgpackReader(frame, fieldNames).message()
  } catch (error) {
    if (error instanceof Flaw) return malformed(`the message is not MessagePack: ${error.reason}`)
    throw error
  }
  const message = validate(value)
  const isPiece = message.type === "part" || message.type === "chunk"
  return isPiece && typeof message.piece === "string" ? malformed(`${message.type}: piece is not bytes`) : message
}

/** A `Codec`, which this module does not name: that of all codecs imports it. */
export const msgpack = {
  subprotocol: "holdfast.v1.msgpack" as const,
  payload,
  data: (seq: number, ack: number, confirm: boolean, body: Payload): Frame =>
    written((writer) => {
      writer
        .raw(confirm ? maps.confirmed : maps.plain)
        .raw(upToSeq)
        .count(seq)
        .raw(upToAck)
        .count(ack)
      if (confirm) writer.raw(confirmed)
      return writer.raw(upToBody).end(body as Uint8Array) // of this codec's `payload`
    }),
  part: ({ ack, at, confirm, of, seq }: Protocol.PartHead, piece: Payload): Frame =>
    encoded({ type: "part", seq, ack, ...(confirm === true ? { confirm } : {}), at, of, piece }),
  chunk: ({ at, name, of }: Protocol.ChunkHead, piece: Payload): Frame =>
    encoded({ type: "chunk", name, at, of, piece }),
  publication: (topic: string, position: Protocol.Position, json: string): Frame =>
    encoded({ type: "publication", topic, position, body: JSON.parse(json) as unknown }),
  encode: (message: Protocol.Control): Frame => encoded(message),
  decode: (frame: Frame): Protocol.Message | Malformed =>
    typeof frame === "string"
      ? malformed("holdfast.v1.msgpack takes binary messages", CloseCode.UnsupportedData)
      : decode(frame),
  bodySize: (frame: Frame): number => {
    const reader = new MsgpackReader(frame as Uint8Array, fieldNames) // one that decodes
    reader.message()
    return reader.bodySize
  }
}
