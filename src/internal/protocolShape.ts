/** Whether a value that a frame has brought is a message of the protocol. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import { CloseCode } from "../CloseCode.js"
import type { Malformed } from "../Codec.js"
import * as Protocol from "../Protocol.js"

export const malformed = (reason: string, code: number = CloseCode.ProtocolViolation): Malformed => ({
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
  const isSkipped = message.skipped === "too-large"
  if ((message.body === undefined) !== isSkipped) {
    return malformed(isSkipped ? "publication: a body, though it was skipped" : "publication: no body")
  }
  return message as unknown as Protocol.Publication // every field was checked above
}

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
export const orTooDeep = <A>(walk: () => A, tooDeep: () => A): A => {
  try {
    return walk()
  } catch (error) {
    if (error instanceof RangeError) return tooDeep()
    throw error
  }
}

export const validated = (value: unknown) =>
  orTooDeep(
    () => validate(value),
    () => malformed("the message is nested too deeply")
  )
