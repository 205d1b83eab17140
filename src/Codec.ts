/**
 * How protocol messages become WebSocket frames and come back.
 *
 * `data`, `ack` and `publication` are shaped by hand, because every application
 * message pays for them; the Schemas of `Protocol` serve the rest.
 *
 * @since 0.1.0
 */
import * as MsgPack from "@effect/platform/MsgPack"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { CloseCode } from "./CloseCode.js"
import * as messagePackShape from "./internal/messagePackShape.js"
import * as Protocol from "./Protocol.js"

/**
 * What one WebSocket message carries.
 *
 * @since 0.1.0
 * @category models
 */
export type Frame = string | Uint8Array

/**
 * The encoded body of an application message: JSON text or MessagePack bytes.
 * It is made once, and framed again for each retransmission.
 *
 * @since 0.1.0
 * @category models
 */
export type Payload = string | Uint8Array

/**
 * Why a frame is not a message of the protocol, with the close code it earns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Malformed {
  readonly type: "malformed"
  readonly code: number
  readonly reason: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Codec {
  readonly subprotocol: Protocol.Subprotocol
  /** Encodes a body; fails with words when the value has no such form. */
  readonly payload: (body: unknown) => Either.Either<Payload, string>
  /** Frames a `data` message around an encoded body. */
  readonly data: (seq: number, ack: number, confirm: boolean, payload: Payload) => Frame
  /** Frames a `publication` of a body that is given as JSON text. */
  readonly publication: (topic: string, position: Protocol.Position, json: string) => Frame
  /** Frames any message but `data`. */
  readonly encode: (message: Exclude<Protocol.Message, Protocol.Data>) => Frame
  /** Decodes a frame; total, never throws. */
  readonly decode: (frame: Frame) => Protocol.Message | Malformed
}

/**
 * Room that a `data` envelope may take beside its body, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export const envelopeBytes = 1024

/**
 * The size of a frame or payload in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export const byteLength = (frame: Frame): number => {
  if (typeof frame !== "string") return frame.byteLength
  let bytes = frame.length
  for (let i = 0; i < frame.length; i++) {
    const unit = frame.charCodeAt(i)
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}

const malformed = (reason: string, code: number = CloseCode.ProtocolViolation): Malformed => ({
  type: "malformed",
  code,
  reason
})

const isCount = (u: unknown): u is number => Number.isSafeInteger(u) && (u as number) >= 0

const isId = (u: unknown): u is string => typeof u === "string" && u.length >= 1 && u.length <= 128

const decoders = Object.fromEntries(
  [...Protocol.ClientMessage.members, ...Protocol.ServerMessage.members].map((schema) => [
    schema.fields.type.literals[0],
    ParseResult.decodeUnknownEither(schema as Schema.Schema<Protocol.Message>)
  ])
)

const publicationOf = (message: Record<string, unknown>): Protocol.Message | Malformed => {
  const position = message.position as Partial<Protocol.Position> | null | undefined
  if (typeof message.topic !== "string") return malformed("publication: topic is not a string")
  if (!isId(position?.epoch) || !isCount(position?.offset) || position.offset === 0) {
    return malformed("publication: position is not one")
  }
  if (message.body === undefined) return malformed("publication: no body")
  return message as unknown as Protocol.Publication // every field was checked above
}

/** The parsed value of a frame, checked against the protocol. */
const validate = (value: unknown): Protocol.Message | Malformed => {
  if (typeof value !== "object" || value === null) return malformed("a message is an object with a type")
  const message = value as Record<string, unknown>
  const type = message.type
  if (type === "data") {
    const { seq, ack, confirm } = message
    if (!isCount(seq) || seq === 0) return malformed("data: seq is not a sequence number")
    if (!isCount(ack)) return malformed("data: ack is not a count")
    if (confirm !== undefined && typeof confirm !== "boolean") return malformed("data: confirm is not a boolean")
    if (message.body === undefined) return malformed("data: no body")
    return message as unknown as Protocol.Data // every field was checked above
  }
  if (type === "ack") {
    return isCount(message.ack) ? { type, ack: message.ack } : malformed("ack: ack is not a count")
  }
  if (type === "publication") return publicationOf(message)
  if (typeof type !== "string") return malformed("a message is an object with a type")
  if (!Object.hasOwn(decoders, type)) return malformed(`unknown message type ${JSON.stringify(type)}`)
  if (type === "publish" && message.body === undefined) return malformed("publish: no body")
  const decoded = decoders[type]?.(value)
  if (decoded === undefined) return malformed(`unknown message type ${JSON.stringify(type)}`)
  if (Either.isRight(decoded)) return decoded.right
  return malformed(`${type}: ${issueOf(decoded.left)}`)
}

const issueOf = (error: ParseResult.ParseIssue): string =>
  orTooDeep(
    () => {
      const issue = ParseResult.ArrayFormatter.formatIssueSync(error)[0]
      return issue === undefined ? "malformed" : `${issue.path.join(".")}: ${issue.message}`
    },
    () => "nested too deeply"
  )

/** What a peer nests deeply enough exhausts the stack of whoever walks through it. */
const orTooDeep = <A>(walk: () => A, tooDeep: () => A): A => {
  try {
    return walk()
  } catch (error) {
    if (error instanceof RangeError) return tooDeep()
    throw error
  }
}

const validated = (value: unknown) =>
  orTooDeep(
    () => validate(value),
    () => malformed("the message is nested too deeply")
  )

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
      return text === undefined ? Either.left(`${typeof body} has no JSON form`) : Either.right(text)
    } catch (cause) {
      return Either.left(String(cause))
    }
  },
  data: (seq, ack, confirm, payload) =>
    `{"type":"data","seq":${seq},"ack":${ack}${confirm ? ',"confirm":true' : ""},"body":${payload as string}}`,
  publication: (topic, { epoch, offset }, json) =>
    `{"type":"publication","topic":${JSON.stringify(topic)},"position":{"epoch":${JSON.stringify(epoch)},"offset":${offset}},"body":${json}}`,
  encode: (message) => JSON.stringify(message),
  decode: (frame) => {
    if (typeof frame !== "string") {
      return malformed("holdfast.v1.json takes text messages", CloseCode.UnsupportedData)
    }
    let value: unknown
    try {
      value = JSON.parse(frame)
    } catch {
      return malformed("the message is not JSON")
    }
    return validated(value)
  }
}

const MsgPackValue = MsgPack.schema(Schema.Unknown)
const pack = ParseResult.encodeEither(MsgPackValue)
const unpack = ParseResult.decodeEither(MsgPackValue)

const packed = (value: unknown): Uint8Array => Either.getOrThrow(pack(value))
const key = packed("body")
const dataHead = packed("data")
const keys = { type: packed("type"), seq: packed("seq"), ack: packed("ack"), confirm: packed("confirm") }

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.byteLength
  }
  return out
}

const yes = Uint8Array.of(0xc3)

/** An unsigned integer in MessagePack's shortest form. */
const packInteger = (n: number): Uint8Array => {
  if (n < 0x80) return Uint8Array.of(n)
  const view = new DataView(new ArrayBuffer(9))
  if (n <= 0xffff) {
    view.setUint8(0, 0xcd)
    view.setUint16(1, n)
    return new Uint8Array(view.buffer, 0, 3)
  }
  if (n <= 0xffffffff) {
    view.setUint8(0, 0xce)
    view.setUint32(1, n)
    return new Uint8Array(view.buffer, 0, 5)
  }
  view.setUint8(0, 0xcf)
  view.setBigUint64(1, BigInt(n))
  return new Uint8Array(view.buffer)
}

/** MessagePack's 64-bit integers arrive as bigint; the protocol's own, which the body's are not, are numbers. */
const narrowIntegers = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number(value)
  // A megabyte of bytes has a million entries.
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) => [field, field === "body" ? inner : narrowIntegers(inner)])
  )
}

/** A publication's body is JSON, whose integers are numbers; those that are no safe ones stay what they are. In place. */
const narrowBody = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
  const container = value as Record<string, unknown> // or an array, with its indices
  for (const [field, inner] of Object.entries(container)) {
    if (typeof inner === "bigint" || typeof inner === "object") container[field] = narrowBody(inner)
  }
  return value
}

/** The message of a MessagePack value. */
const narrowed = (value: unknown): Protocol.Message | Malformed => {
  const message = validate(narrowIntegers(value))
  return message.type === "publish" || message.type === "publication"
    ? { ...message, body: narrowBody(message.body) }
    : message
}

/** The bytes of a value that has a form without extension types. */
const plain = (value: unknown): Either.Either<Uint8Array, string> => {
  if (value === undefined) return Either.left("undefined has no MessagePack form")
  const bytes = pack(value)
  if (Either.isLeft(bytes)) return Either.left(String(bytes.left))
  const flaw = messagePackShape.flaw(bytes.right)
  // Copied: the library hands out slices of a pool, which a replay buffer would keep alive whole.
  return flaw === undefined
    ? Either.right(Uint8Array.from(bytes.right))
    : Either.left(`${flaw} would be needed (for a Date, Map, Set, RegExp or the like)`)
}

const withoutUndefined = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((item) => withoutUndefined(item ?? null))
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([field, inner]) => (inner === undefined ? [] : [[field, withoutUndefined(inner)]]))
  )
}

/**
 * `holdfast.v1.msgpack`: binary frames, one MessagePack map each, with the
 * same fields as the JSON objects.
 *
 * @since 0.1.0
 * @category codecs
 */
export const msgpack: Codec = {
  subprotocol: "holdfast.v1.msgpack",
  payload: (body) => {
    const first = plain(body)
    // As in JSON, fields that are undefined are left out; looked for only when something is wrong.
    return Either.isLeft(first) ? Either.orElse(plain(withoutUndefined(body)), () => first) : first
  },
  data: (seq, ack, confirm, payload) =>
    concat([
      Uint8Array.of(confirm ? 0x85 : 0x84),
      keys.type,
      dataHead,
      keys.seq,
      packInteger(seq),
      keys.ack,
      packInteger(ack),
      ...(confirm ? [keys.confirm, yes] : []),
      key,
      payload as Uint8Array
    ]),
  publication: (topic, position, json) =>
    Uint8Array.from(packed({ type: "publication", topic, position, body: JSON.parse(json) })),
  encode: (message) => Uint8Array.from(packed(message)),
  decode: (frame) => {
    if (typeof frame === "string") {
      return malformed("holdfast.v1.msgpack takes binary messages", CloseCode.UnsupportedData)
    }
    const flaw = messagePackShape.flaw(frame)
    if (flaw !== undefined) return malformed(`the message is not MessagePack: ${flaw}`)
    const value = unpack(frame)
    return Either.isLeft(value)
      ? malformed("the message is not MessagePack, or nested too deeply")
      : orTooDeep(
          () => narrowed(value.right),
          () => malformed("the message is nested too deeply")
        )
  }
}

/**
 * The codec of a subprotocol, if it is one of Holdfast's.
 *
 * @since 0.1.0
 * @category codecs
 */
export const forSubprotocol = (name: string): Codec | undefined =>
  name === json.subprotocol ? json : name === msgpack.subprotocol ? msgpack : undefined
