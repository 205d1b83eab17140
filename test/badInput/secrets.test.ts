/** Reasons and errors: one line, bounded, and nothing in it of what a peer or a proxy put into a message. */
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { Codec, ConnectionError } from "holdfast"
import * as messageCodec from "../../src/protocol/messageCodec.js"
import { pack } from "./support.js"

const canary = "s3cr3t-c4n4ry"

const isShort = (text: string, what: string) => {
  assert.notInclude(text, canary, what)
  assert.notMatch(text, /[\p{Cc}\u2028\u2029]/u, what)
  assert.isAtMost(text.length, 300, what)
}

/** Each place of a value in turn holds what it must not. */
const spoiled = (value: unknown): ReadonlyArray<unknown> => {
  const here = [canary, { [canary]: canary }, [canary], { password: `${canary}\n` }]
  if (typeof value !== "object" || value === null) return here
  const inner = Object.entries(value).flatMap(([name, field]) =>
    spoiled(field).map((bad) => ({ ...value, [name]: bad }))
  )
  return [...here, ...inner, { ...value, [canary]: 1 }]
}

const position = { epoch: "e", offset: 1 }
const messages: ReadonlyArray<object> = [
  {
    type: "hello",
    token: "t",
    heartbeat: "message",
    resume: { session: "s", secret: "x", processed: 3, oldest: 4 },
    features: ["a"]
  },
  { type: "data", seq: 1, ack: 0, confirm: true, body: 1 },
  { type: "ack", ack: 1 },
  { type: "token", token: "t" },
  { type: "publish", id: 1, topic: "a", key: "k", body: 1 },
  { type: "subscribe", id: 1, topic: "a", since: position },
  { type: "publication", topic: "a", position, body: 1 },
  { type: "error", code: "c", reason: "r", seq: 1 }
]

describe("the reason of what is malformed", () => {
  it("shows nothing of it, in either subprotocol", () => {
    for (const message of messages) {
      for (const bad of spoiled(message)) {
        for (const decoded of [Codec.json.decode(JSON.stringify(bad)), Codec.msgpack.decode(pack(bad))]) {
          if (decoded.type === "malformed") isShort(decoded.reason, JSON.stringify(bad))
        }
      }
    }
  })
})

const schemas: ReadonlyArray<Schema.Schema<unknown, unknown>> = [
  Schema.Struct({ name: Schema.String, age: Schema.NumberFromString, password: Schema.Number }),
  Schema.Record({ key: Schema.String, value: Schema.Struct({ n: Schema.Number }) }),
  Schema.Union(Schema.TaggedStruct("A", { a: Schema.Int }), Schema.TaggedStruct("B", { b: Schema.Date })),
  Schema.Array(Schema.String.pipe(Schema.minLength(100))),
  Schema.String.pipe(Schema.filter((text) => `not ${text}`)),
  Schema.Number.annotations({ message: ({ actual }) => `no number: ${String(actual)}` })
] as ReadonlyArray<Schema.Schema<unknown, unknown>> // whatever they are of

describe("an error of a value that does not fit its Schema", () => {
  it("shows nothing of it, at either end, and says where", () => {
    const values = spoiled({ _tag: "A", a: 1, b: "x", name: "n", age: "1", password: 2, n: { n: 1 } })
    for (const schema of schemas) {
      for (const value of [...values, ["x", canary]]) {
        const found = [
          messageCodec.decoder(schema)(value, 7),
          messageCodec.encoder(schema)(value, Codec.json),
          messageCodec.encoder(schema)(value, Codec.msgpack)
        ]
        for (const one of found) {
          if (Either.isRight(one)) continue
          isShort(one.left.message, JSON.stringify(value))
          assert.notInclude(inspect(one.left), canary)
        }
      }
    }
    const one = messageCodec.decoder(schemas[0] as Schema.Schema<unknown, unknown>)(
      { name: "a", age: "1", password: canary },
      7
    )
    assert.include(Either.getOrThrow(Either.flip(one)).issue, "password: Expected number")
  })

  it("shows nothing of what has no form", () => {
    const cycle: Record<string, unknown> = {}
    cycle[canary] = cycle
    const throws = {
      a: new (class {
        toJSON() {
          throw new Error(canary)
        }
      })()
    }
    for (const codec of [Codec.json, Codec.msgpack]) {
      for (const value of [cycle, throws, { [canary]: 1n }, [new Date(Number.NaN), Symbol(canary)]]) {
        const payload = codec.payload(value)
        if (Either.isLeft(payload)) isShort(payload.left, "a payload")
      }
    }
  })
})

describe("an error of a connection", () => {
  it("is one line, whatever a proxy or the peer said, and shows no query of a URL", () => {
    const url = `wss://ann:${canary}@host/path?token=${canary}#${canary}`
    const page = "<html>\r\n<body>\u2028".repeat(1000)
    for (const error of [
      new ConnectionError.DialRefused({ url, status: 502, body: page, retryAfter: undefined }),
      new ConnectionError.DialFailed({ url, cause: new Error(page) }),
      new ConnectionError.ConnectTimeout({ url, timeout: 1 }),
      new ConnectionError.ClosedByPeer({ code: 1000, reason: page }),
      new ConnectionError.PeerViolation({ code: 4400, reason: page }),
      new ConnectionError.MessageRefused({ code: page, reason: page })
    ]) {
      assert.notInclude(error.message, canary)
      assert.notMatch(error.message, /[\p{Cc}\u2028\u2029]/u)
      assert.isAtMost(error.message.length, 600)
    }
  })
})
