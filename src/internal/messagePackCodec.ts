/** `holdfast.v1.msgpack`, in a module of its own: what speaks JSON alone need not bundle it. */
import * as MsgPack from "@effect/platform/MsgPack"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { CloseCode } from "../CloseCode.js"
import type { Codec, Malformed } from "../Codec.js"
import type * as Protocol from "../Protocol.js"
import * as messagePackShape from "./messagePackShape.js"
import { malformed, orTooDeep, validate } from "./protocolShape.js"

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
