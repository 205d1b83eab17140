/** Finds out whether a value that a frame has brought is a message of the protocol. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import { CloseCode } from "./CloseCode.js"
import * as Protocol from "./Protocol.js"
import * as schemaIssue from "./schemaIssue.js"

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

export const malformed = (reason: string, code: number = CloseCode.ProtocolViolation): Malformed => ({
  type: "malformed",
  code,
  reason
})

const isCount = (u: unknown): u is number => Number.isSafeInteger(u) && (u as number) >= 0

const isId = (u: unknown): u is string => typeof u === "string" && u.length >= 1 && u.length <= 128

const schemas = [...Protocol.ClientMessage.members, ...Protocol.ServerMessage.members]

/** The fields that some message has: any other is ignored. */
export const fieldNames: ReadonlySet<string> = new Set(schemas.flatMap(({ fields }) => Object.keys(fields)))

const decoders = Object.fromEntries(
  schemas.map((schema) => [
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
  const isSkipped = message.skipped === "too-large"
  if (message.skipped !== undefined && !isSkipped) return malformed("publication: skipped is not a reason")
  if ((message.body === undefined) !== isSkipped) {
    return malformed(isSkipped ? "publication: a body, though it was skipped" : "publication: no body")
  }
  return message as unknown as Protocol.Publication // every field was checked above
}

const partOf = (message: Record<string, unknown>): Protocol.Message | Malformed => {
  const { ack, at, confirm, of, piece, seq } = message
  if (!isCount(seq) || seq === 0) return malformed("part: seq is not a sequence number")
  if (!isCount(ack)) return malformed("part: ack is not a count")
  if (confirm !== undefined && typeof confirm !== "boolean") return malformed("part: confirm is not a boolean")
  if (!isCount(at)) return malformed("part: at is not a count")
  if (!isCount(of) || of === 0) return malformed("part: of is not a size")
  if (typeof piece !== "string" && !(piece instanceof Uint8Array)) return malformed("part: piece is missing")
  return { type: "part", seq, ack, ...(confirm === undefined ? {} : { confirm }), at, of, piece }
}

const chunkOf = ({ at, name, of, piece }: Record<string, unknown>): Protocol.Message | Malformed => {
  if (typeof name !== "string" || name.length < 1 || name.length > 512) return malformed("chunk: name is not one")
  if (!isCount(at)) return malformed("chunk: at is not a count")
  if (!isCount(of) || of === 0) return malformed("chunk: of is not a size")
  if (typeof piece !== "string" && !(piece instanceof Uint8Array)) return malformed("chunk: piece is missing")
  return { type: "chunk", name, at, of, piece }
}

/** Names what looks like a type; what else a peer puts there may be a secret. */
const unknownType = (type: string): string =>
  /^[a-z_-]{1,32}$/i.test(type) ? `unknown message type "${type}"` : "unknown message type"

/** The parsed value of a frame, checked against the protocol. */
export const validate = (value: unknown): Protocol.Message | Malformed => {
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
  if (type === "part") return partOf(message)
  if (type === "chunk") return chunkOf(message)
  if (typeof type !== "string") return malformed("a message is an object with a type")
  if (!Object.hasOwn(decoders, type)) return malformed(unknownType(type))
  if (type === "publish" && message.body === undefined) return malformed("publish: no body")
  const decoded = decoders[type]?.(value)
  if (decoded === undefined) return malformed(unknownType(type))
  if (Either.isRight(decoded)) return decoded.right
  return malformed(`${type}: ${schemaIssue.describe(decoded.left)}`)
}
