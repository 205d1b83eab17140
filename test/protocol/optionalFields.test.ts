/** An optional field has its value or is absent: `null` is neither, in whatever message. */
import { assert, describe, it } from "@effect/vitest"
import { SchemaAST } from "effect"
import { Codec, Protocol } from "holdfast"

type Fields = Record<string, unknown>
type Path = ReadonlyArray<string>

/** Where the optional fields of a message are, drawn from its Schema. */
const optionalOf = (ast: SchemaAST.AST): ReadonlyArray<Path> => {
  if (SchemaAST.isTypeLiteral(ast)) {
    return ast.propertySignatures.flatMap(({ isOptional, name, type }) => [
      ...(isOptional ? [[String(name)]] : []),
      ...optionalOf(type).map((path) => [String(name), ...path])
    ])
  }
  return SchemaAST.isTupleType(ast)
    ? ast.rest.flatMap(({ type }) => optionalOf(type).map((path) => ["0", ...path]))
    : []
}

const position = { epoch: "e", offset: 1 }
const limit = { maxMessage: 1 }
const rates = { messageRate: 1, byteRate: 1, requestRate: 1, requests: 1 }
const refusal = { type: "error", code: "c", reason: "r", seq: 1, id: 1, retryAfter: 1 }
const unfinished = { name: "n", of: 2, bytes: 1 }
const session = { session: "s", secret: "x", processed: 0, received: { seq: 0, bytes: 0 }, unfinished }
const times = { heartbeat: 1, deadline: 1, resumeWindow: 1, keyWindow: 1 }

/** Every message that has optional fields, with all of them. */
const whole: ReadonlyArray<Fields> = [
  {
    type: "hello",
    token: "t",
    heartbeat: "message",
    resume: { ...session, oldest: 1, attempt: 1 },
    features: [],
    limits: limit
  },
  {
    type: "welcome",
    ...session,
    ...times,
    generation: 1,
    resumed: false,
    reason: "unknown",
    refused: [refusal],
    limits: { ...limit, messages: 1, bytes: 1, part: 1, ...rates },
    spread: 1,
    features: []
  },
  refusal,
  { type: "data", seq: 1, ack: 0, confirm: true, body: 1 },
  { type: "part", seq: 1, ack: 0, confirm: true, at: 0, of: 1, piece: "1" },
  { type: "subscribe", id: 1, topic: "t", since: "oldest", data: 1 },
  { type: "unsubscribe", id: 1, topic: "t", pause: true },
  { type: "publish", id: 1, topic: "t", key: "k", body: 1 },
  {
    type: "subscribed",
    id: 1,
    topic: "t",
    position,
    recovered: false,
    reason: "epoch",
    policy: "latest",
    members: [{ session: "s", principal: "p", away: 1, data: 1 }]
  },
  { type: "unsubscribed", id: 1, topic: "t", reason: "r" },
  { type: "invite", topic: "t", since: position }
]

const withNull = (message: Fields, path: Path): Fields => {
  const copy = structuredClone(message)
  const holder = path.slice(0, -1).reduce((at, key) => at[key] as Fields, copy)
  const last = path.at(-1) ?? ""
  assert.property(holder, last, path.join("."))
  holder[last] = null
  return copy
}

describe("null in the place of an optional field", () => {
  // The body of a publication may be null itself, and it has no `skipped` beside one.
  const schemas = [...new Set([...Protocol.ClientMessage.members, ...Protocol.ServerMessage.members])].filter(
    ({ ast, fields }) => fields.type.literals[0] !== "publication" && optionalOf(ast).length > 0
  )

  for (const codec of [Codec.json, Codec.msgpack]) {
    /** Whatever it is. */
    const decode = ({ piece, ...message }: Fields) => {
      if (codec === Codec.json && piece !== undefined) return codec.decode(`${JSON.stringify(message)}\n${piece}`)
      return codec.decode(codec.encode({ ...message, ...(piece === undefined ? {} : { piece }) } as never))
    }
    it(`is a violation, 4400, of each field of each message (${codec.subprotocol})`, () => {
      assert.sameMembers(
        whole.map(({ type }) => type),
        schemas.map(({ fields }) => fields.type.literals[0])
      )
      for (const { ast, fields } of schemas) {
        const [type] = fields.type.literals
        const found = whole.find((one) => one["type"] === type) ?? {}
        const message = type === "part" && codec === Codec.msgpack ? { ...found, piece: Uint8Array.of(1) } : found
        assert.deepInclude(decode(message), message as object)
        // What a member says of itself may be null.
        for (const path of optionalOf(ast).filter((path) => path.at(-1) !== "data")) {
          assert.deepInclude(decode(withNull(message, path)), { type: "malformed", code: 4400 }, `${type}: ${path}`)
        }
      }
    })

    it(`is one in a publication, beside its body and in place of it, as any word that is no reason (${codec.subprotocol})`, () => {
      const publication = { type: "publication", topic: "t", position }
      for (const skipped of [null, "no", 7]) {
        for (const rest of [{}, { body: 1 }]) {
          assert.deepInclude(decode({ ...publication, ...rest, skipped }), { type: "malformed", code: 4400 })
        }
      }
      assert.deepInclude(decode({ ...publication, skipped: "too-large" }), { skipped: "too-large" })
      assert.deepInclude(decode({ ...publication, body: null }), { body: null })
    })
  }
})
