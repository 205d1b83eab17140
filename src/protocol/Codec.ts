/**
 * The codecs: protocol messages become WebSocket frames, and come back.
 *
 * `data`, `ack` and `publication` are shaped by hand, because every application
 * message pays for them; the Schemas of `Protocol` serve the rest.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { CloseCode } from "./CloseCode.js"
import { byteLength, type Frame, type Payload } from "./frame.js"
import * as jsonData from "./jsonData.js"
import * as jsonPart from "./jsonPart.js"
import * as jsonScan from "./jsonScan.js"
import * as msgpackCodec from "./msgpack/msgpackCodec.js"
import { isTooDeep, mayBeTooDeep, tooDeep } from "./nestingDepth.js"
import type * as Protocol from "./Protocol.js"
import { RefusedBody } from "./refusedBody.js"
import { type Malformed, malformed, validate } from "./validate.js"

export { byteLength, envelopeBytes, type Frame, type Payload } from "./frame.js"
export type { Malformed } from "./validate.js"

/**
 * A codec of one subprotocol: encodes bodies once, frames messages, and decodes frames.
 *
 * @since 0.1.0
 * @category models
 */
export interface Codec {
  readonly subprotocol: Protocol.Subprotocol
  /** Encodes a body; fails with words when the value has no such form. */
  readonly payload: (body: unknown) => Either.Either<Payload, string>
  /** Frames a `data` message around an encoded body. */
  readonly data: (seq: number, ack: number, confirm: boolean, payload: Payload) => Frame
  /** Frames a piece of an encoded body. */
  readonly part: (part: Protocol.PartHead, piece: Payload) => Frame
  /** Frames a piece of a frame. */
  readonly chunk: (chunk: Protocol.ChunkHead, piece: Payload) => Frame
  /** Frames a `publication` of a body that is given as JSON text. */
  readonly publication: (topic: string, position: Protocol.Position, json: string) => Frame
  /** Frames any message but `data`, `part` and `chunk`. */
  readonly encode: (message: Protocol.Control) => Frame
  /** Decodes a frame; total, never throws. */
  readonly decode: (frame: Frame) => Protocol.Message | Malformed
  /** The bytes of the body in a frame that decodes to a message with one. */
  readonly bodySize: (frame: Frame) => number
}

/** The platform's own words show keys of the value. */
const noJson = "it has no JSON form: it is in itself, has a bigint, or a toJSON that fails"

/** Refuses a body that is too deep, and that alone: what is not walked through may be as deep as it likes. */
const shallow = <M extends Protocol.Message | Malformed>(message: M, text: string): M =>
  mayBeTooDeep(text) && "body" in message && isTooDeep(jsonScan.bodyOf(text))
    ? { ...message, body: new RefusedBody("invalid-publication", tooDeep) }
    : message

/**
 * `holdfast.v1.json`: text frames, one JSON object each.
 *
 * @since 0.1.0
 * @category codecs
 */
export const json: Codec = {
  subprotocol: "holdfast.v1.json",
  payload: (body) => {
    try {
      const text = JSON.stringify(body)
      if (text === undefined) return Either.left(`${typeof body} has no JSON form`)
      return isTooDeep(text) ? Either.left(tooDeep) : Either.right(text)
    } catch (error) {
      return Either.left(error instanceof RangeError ? tooDeep : noJson)
    }
  },
  data: (seq, ack, confirm, payload) =>
    `{"type":"data","seq":${seq},"ack":${ack}${confirm ? ',"confirm":true' : ""},"body":${payload as string}}`,
  part: jsonPart.part,
  chunk: jsonPart.chunk,
  publication: (topic, { epoch, offset }, json) =>
    `{"type":"publication","topic":${JSON.stringify(topic)},"position":{"epoch":${JSON.stringify(epoch)},"offset":${offset}},"body":${json}}`,
  encode: (message) => JSON.stringify(message),
  decode: (frame) => {
    if (typeof frame !== "string") {
      return malformed("holdfast.v1.json takes text messages", CloseCode.UnsupportedData)
    }
    const data = jsonData.read(frame)
    if (data !== undefined) return shallow(data, frame)
    const part = jsonPart.read(frame)
    if (part !== undefined) return validate(part)
    let value: unknown
    try {
      value = JSON.parse(frame)
    } catch {
      return malformed("the message is not JSON")
    }
    const message = validate(value)
    const isPiece = message.type === "part" || message.type === "chunk"
    return isPiece ? malformed(`${message.type}: the piece follows the object`) : shallow(message, frame)
  },
  bodySize: (frame) => byteLength(jsonScan.bodyOf(frame as string)) // one that decodes
}

/**
 * `holdfast.v1.msgpack`: binary frames, one MessagePack map each, with the
 * same fields as the JSON objects.
 *
 * @since 0.1.0
 * @category codecs
 */
export const msgpack: Codec = msgpackCodec.msgpack

/**
 * The codec of a subprotocol, if it is one of Holdfast's.
 *
 * @since 0.1.0
 * @category codecs
 */
export const forSubprotocol = (name: string): Codec | undefined =>
  name === json.subprotocol ? json : name === msgpack.subprotocol ? msgpack : undefined
