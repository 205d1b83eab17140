/** Every message of the protocol, as fast-check makes them up. */
import * as fc from "fast-check"
import { Protocol } from "holdfast"

const text = fc.string({ unit: "grapheme", maxLength: 40 })
const id = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 128 })
/** Where MessagePack's forms of a number begin and end, and a little beyond. */
const edges = [7, 8, 16, 17, 31, 32, 33, 48, 53].flatMap((bits) => [
  2 ** bits - 2,
  2 ** bits - 1,
  2 ** bits,
  2 ** bits + 1
])

const upTo = (max: number) => (min: number) =>
  fc.oneof(
    fc.integer({ min, max: 200 }),
    fc.integer({ min, max }),
    fc.constantFrom(...edges.filter((edge) => edge <= max)),
    fc.integer({ min: 1, max: 29 }).map((bits) => 2 ** bits - 1 + 2 ** (bits - 1))
  )
export const count = upTo(Number.MAX_SAFE_INTEGER)(0)
export const sequence = upTo(Number.MAX_SAFE_INTEGER)(1)
const millis = upTo(2 ** 31 - 1)(0)
const interval = upTo(2 ** 31 - 1)(1)
const limit = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 2 ** 30 }))

/** What JSON and MessagePack can both carry: no `-0`, no lone surrogates, and no `__proto__`, which msgpackr renames. */
export const body: fc.Arbitrary<unknown> = fc
  .jsonValue({ stringUnit: "grapheme" })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !JSON.stringify(value).includes("__proto__"))

const position: fc.Arbitrary<Protocol.Position> = fc.record({ epoch: id, offset: count })
const since = fc.oneof(position, fc.constant("oldest" as const))

const type = <const T extends string>(name: T) => fc.constant(name)

const refusal: fc.Arbitrary<Protocol.Refusal> = fc.record(
  { type: type("error"), code: text, reason: text, seq: sequence, id: sequence, retryAfter: millis },
  { requiredKeys: ["type", "code", "reason"] }
)

/** Some of another version's among them. */
const features = fc.array(fc.oneof(fc.constantFrom(...Protocol.features), fc.string({ maxLength: 64 })), {
  maxLength: 4
})

const limits: fc.Arbitrary<Protocol.Limits> = fc.record(
  {
    maxMessage: limit,
    messages: limit,
    bytes: limit,
    messageRate: limit,
    byteRate: limit,
    requestRate: limit,
    requests: limit
  },
  { requiredKeys: ["maxMessage", "messages", "bytes"] }
)

const received = fc.record({ seq: count, bytes: count })
const unfinished = fc.record({ name: id, of: sequence, bytes: sequence })

const hello: fc.Arbitrary<Protocol.Hello> = fc.record(
  {
    type: type("hello"),
    token: text,
    heartbeat: type("message"),
    resume: fc.record(
      { session: id, secret: id, processed: count, oldest: sequence, received, unfinished, attempt: sequence },
      { requiredKeys: ["session", "secret", "processed", "oldest"] }
    ),
    features,
    limits: fc.record({ maxMessage: limit }, { requiredKeys: [] })
  },
  { requiredKeys: ["type"] }
)

const welcome: fc.Arbitrary<Protocol.Welcome> = fc.record(
  {
    type: type("welcome"),
    session: id,
    generation: sequence,
    secret: id,
    processed: count,
    received,
    unfinished,
    resumed: fc.boolean(),
    reason: fc.constantFrom("unknown", "expired", "overflow", "secret", "incomplete"),
    refused: fc.array(refusal, { maxLength: 3 }),
    heartbeat: interval,
    deadline: interval,
    resumeWindow: millis,
    limits,
    spread: millis,
    keyWindow: millis,
    features
  },
  {
    requiredKeys: [
      "type",
      "session",
      "generation",
      "secret",
      "processed",
      "resumed",
      "heartbeat",
      "deadline",
      "resumeWindow",
      "limits"
    ]
  }
)

const subscribed: fc.Arbitrary<Protocol.Subscribed> = fc.record(
  {
    type: type("subscribed"),
    id: sequence,
    topic: text,
    position,
    recovered: fc.boolean(),
    reason: fc.constantFrom("epoch", "ahead", "expired"),
    policy: fc.constantFrom("disconnect", "dropOldest", "latest"),
    members: fc.array(fc.record({ session: text, principal: text }), { maxLength: 3 })
  },
  { requiredKeys: ["type", "topic", "position", "recovered", "policy"] }
)

/** By type: none can be left out, for they are all the types that there are. */
const arbitraries: { readonly [T in Protocol.Control["type"]]: fc.Arbitrary<Protocol.Message> } = {
  hello,
  welcome,
  subscribed,
  error: refusal,
  replayed: fc.record({ type: type("replayed") }),
  ack: fc.record({ type: type("ack"), ack: count }),
  received: fc.record({ type: type("received"), seq: count, bytes: count }),
  "chunk-received": fc.record({ type: type("chunk-received"), name: id, bytes: sequence }),
  ping: fc.record({ type: type("ping"), id: count }),
  pong: fc.record({ type: type("pong"), id: count }),
  bye: fc.record({ type: type("bye") }),
  goaway: fc.record({ type: type("goaway"), retryAfter: millis, reason: text }),
  authenticate: fc.record({ type: type("authenticate"), expires: millis }),
  token: fc.record({ type: type("token"), token: text }),
  subscribe: fc.record(
    { type: type("subscribe"), id: sequence, topic: text, since },
    { requiredKeys: ["type", "id", "topic"] }
  ),
  unsubscribe: fc.record(
    { type: type("unsubscribe"), id: sequence, topic: text, pause: fc.boolean() },
    { requiredKeys: ["type", "id", "topic"] }
  ),
  publish: fc.record(
    { type: type("publish"), id: sequence, topic: text, key: id, body },
    { requiredKeys: ["type", "id", "topic", "body"] }
  ),
  unsubscribed: fc.record(
    { type: type("unsubscribed"), id: sequence, topic: text, reason: text },
    { requiredKeys: ["type", "topic"] }
  ),
  publication: fc.record({
    type: type("publication"),
    topic: text,
    position: fc.record({ epoch: id, offset: sequence }),
    body
  }),
  published: fc.record({ type: type("published"), id: sequence, position }),
  invite: fc.record({ type: type("invite"), topic: text, since }, { requiredKeys: ["type", "topic"] })
}

/** Any message but `data` and `part`, which are framed by themselves. */
export const message = fc
  .oneof(...Object.values(arbitraries))
  // fast-check's records have no prototype.
  .map((made) => structuredClone(made) as Protocol.Control) // none of them is one of the two
