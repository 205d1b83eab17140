/** Frames and messages that break the protocol: the design's close code, the reason in words, nobody else harmed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  type CodecName,
  codecs,
  connect,
  encode,
  type GatewayOptions,
  makeBystander,
  makeGateway,
  type Peer,
  pack,
  unharmed,
  wireFrame
} from "./support.js"

interface Case {
  readonly name: string
  readonly act: (peer: Peer) => void
  readonly code: number
  readonly reason: string | RegExp
  readonly codecs?: ReadonlyArray<CodecName>
  readonly options?: Partial<GatewayOptions>
  /** Larger than a hello may be. */
  readonly large?: true
}

const text = (bytes: string | Buffer) => (peer: Peer) => peer.ws.send(bytes, { binary: false })
const binary = (bytes: Buffer) => (peer: Peer) => peer.ws.send(bytes, { binary: true })
const raw =
  (...frames: ReadonlyArray<Buffer>) =>
  (peer: Peer) => {
    for (const frame of frames) peer.socket.write(frame)
  }
const say =
  (...messages: ReadonlyArray<unknown>) =>
  (peer: Peer) => {
    for (const message of messages) peer.say(message)
  }
const data = (seq: unknown, ack: unknown = 0, extra: object = {}) =>
  say({ type: "data", seq, ack, body: { text: "x" }, ...extra })

const refusals = (cases: ReadonlyArray<Case>, greeted: boolean) => {
  for (const { act, large, name, options, codecs: only = codecs, ...expected } of cases) {
    const { code, reason } = large && !greeted ? { code: 1009, reason: "the message is too large" } : expected
    for (const codec of only) {
      it.scopedLive(`${name}: ${code} (${codec})`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway(options)
          const bystander = yield* makeBystander(gateway)
          const peer = yield* connect(gateway.address, { codec })
          if (greeted) yield* peer.hello()
          act(peer)
          const closed = yield* peer.closed
          assert.strictEqual(closed.code, code, closed.reason)
          if (typeof reason === "string") assert.strictEqual(closed.reason, reason)
          else assert.match(closed.reason, reason)
          assert.isAtMost(peer.reasonBytes, 123)
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }
}

const json: ReadonlyArray<CodecName> = ["json"]
const msgpack: ReadonlyArray<CodecName> = ["msgpack"]

const notAMessage: ReadonlyArray<Case> = [
  { name: "not JSON", codecs: json, act: text("{type:hello}"), code: 4400, reason: "the message is not JSON" },
  { name: "an empty text", codecs: json, act: text(""), code: 4400, reason: "the message is not JSON" },
  {
    name: "half a message",
    codecs: json,
    act: text('{"type":"ack","ack":'),
    code: 4400,
    reason: "the message is not JSON"
  },
  {
    name: "500,000 open brackets",
    codecs: json,
    act: text("[".repeat(500_000)),
    large: true,
    code: 4400,
    reason: "the message is not JSON"
  },
  {
    name: "500,000 nested arrays",
    codecs: json,
    act: text("[".repeat(250_000) + "]".repeat(250_000)),
    large: true,
    code: 4400,
    reason: "a message is an object with a type"
  },
  {
    name: "not MessagePack",
    codecs: msgpack,
    act: binary(Buffer.of(0xc1)),
    code: 4400,
    reason: /^the message is not MessagePack/
  },
  {
    name: "an empty binary",
    codecs: msgpack,
    act: binary(Buffer.alloc(0)),
    code: 4400,
    reason: /^the message is not MessagePack/
  },
  {
    name: "half a message",
    codecs: msgpack,
    act: binary(pack({ type: "ack", ack: 0 }).subarray(0, 12)),
    code: 4400,
    reason: /^the message is not MessagePack/
  },
  {
    name: "two messages in one",
    codecs: msgpack,
    act: binary(Buffer.concat([pack({ type: "ack", ack: 0 }), pack(1)])),
    code: 4400,
    reason: /^the message is not MessagePack/
  },
  {
    name: "500,000 nested arrays",
    codecs: msgpack,
    act: binary(Buffer.alloc(500_000, 0x91)),
    large: true,
    code: 4400,
    reason: /^the message is not MessagePack/
  },
  { name: "a string", act: say("hello"), code: 4400, reason: "a message is an object with a type" },
  { name: "a number", act: say(1), code: 4400, reason: "a message is an object with a type" },
  { name: "null", act: say(null), code: 4400, reason: "a message is an object with a type" },
  { name: "an array", act: say(["hello"]), code: 4400, reason: "a message is an object with a type" },
  { name: "no type", act: say({ ack: 0 }), code: 4400, reason: "a message is an object with a type" },
  { name: "a type that is no string", act: say({ type: 1 }), code: 4400, reason: "a message is an object with a type" },
  {
    name: "an unknown type",
    act: say({ type: "subscribe-all" }),
    code: 4400,
    reason: 'unknown message type "subscribe-all"'
  },
  {
    name: "the type constructor",
    act: say({ type: "constructor" }),
    code: 4400,
    reason: 'unknown message type "constructor"'
  },
  {
    name: "the type __proto__",
    act: say({ type: "__proto__" }),
    code: 4400,
    reason: 'unknown message type "__proto__"'
  },
  {
    name: "a type of 100,000 emoji",
    act: say({ type: "👋".repeat(100_000) }),
    large: true,
    code: 4400,
    reason: "unknown message type"
  }
]

/** What `ws` itself finds wrong; see "tells the reason in words" below. */
const inWords = /^/

/** Long paths to what is wrong: telling of it must not be the end of the server. */
const nested = "[".repeat(5_000) + "]".repeat(5_000)
const tooDeep: ReadonlyArray<Case> = [
  {
    name: "a hello with nested arrays",
    codecs: json,
    act: text(`{"type":"hello","resume":${nested}}`),
    code: 4400,
    reason: /^hello: /
  },
  {
    name: "a ping with nested arrays",
    codecs: json,
    act: text(`{"type":"ping","id":${nested}}`),
    code: 4400,
    reason: /^ping: /
  },
  {
    name: "a hello with nested arrays",
    codecs: msgpack,
    act: binary(
      Buffer.concat([
        Buffer.of(0x82),
        ...["type", "hello", "resume"].map(pack),
        Buffer.alloc(5_000, 0x91),
        Buffer.of(0)
      ])
    ),
    code: 4400,
    reason: /^hello: |not MessagePack/
  }
]

const wrongFrame: ReadonlyArray<Case> = [
  {
    name: "a binary frame on json",
    codecs: json,
    act: binary(pack({ type: "hello" })),
    code: 1003,
    reason: "holdfast.v1.json takes text messages"
  },
  {
    name: "a text frame on msgpack",
    codecs: msgpack,
    act: text('{"type":"hello"}'),
    code: 1003,
    reason: "holdfast.v1.msgpack takes binary messages"
  },
  { name: "invalid UTF-8 in a text frame", act: text(Buffer.of(0xc3, 0x28)), code: 1007, reason: inWords },
  {
    name: "a close reason of 124 bytes",
    act: raw(wireFrame(8, Buffer.concat([Buffer.of(3, 232), Buffer.alloc(124, 97)]))),
    code: 1002,
    reason: inWords
  },
  { name: "a close code that may not be sent", act: raw(wireFrame(8, Buffer.of(3, 237))), code: 1002, reason: inWords },
  { name: "a close frame of one byte", act: raw(wireFrame(8, Buffer.of(3))), code: 1002, reason: inWords },
  {
    name: "a close reason that is no UTF-8",
    act: raw(wireFrame(8, Buffer.of(3, 232, 0xff))),
    code: 1007,
    reason: inWords
  },
  {
    name: "an unmasked frame",
    act: raw(wireFrame(1, Buffer.from("{}"), { masked: false })),
    code: 1002,
    reason: inWords
  },
  { name: "an unknown opcode", act: raw(wireFrame(3, Buffer.from("{}"))), code: 1002, reason: inWords },
  {
    name: "a compressed frame that was not negotiated",
    act: raw(Buffer.of(0xc1, 0x80, 0, 0, 0, 0)),
    code: 1002,
    reason: inWords
  },
  { name: "a continuation of nothing", act: raw(wireFrame(0, Buffer.from("{}"))), code: 1002, reason: inWords },
  {
    name: "a frame of 100 MB",
    act: raw(wireFrame(2, Buffer.alloc(1000), { length: 100_000_000 })),
    code: 1009,
    reason: inWords
  },
  {
    name: "a frame of 2^62 bytes",
    act: raw(wireFrame(2, Buffer.alloc(1000), { length: 2 ** 62 })),
    code: 1009,
    reason: inWords
  },
  {
    name: "fragments that add up to too much",
    options: { maxMessage: 100_000 },
    act: raw(
      wireFrame(2, Buffer.alloc(50_000), { fin: false }),
      wireFrame(0, Buffer.alloc(50_000), { fin: false }),
      wireFrame(0, Buffer.alloc(2_000))
    ),
    code: 1009,
    reason: inWords
  },
  {
    name: "a flood of empty fragments",
    act: raw(
      wireFrame(2, Buffer.alloc(1), { fin: false }),
      Buffer.concat(Array.from({ length: 20_000 }, () => wireFrame(0, Buffer.alloc(0), { fin: false })))
    ),
    code: 4429,
    reason: inWords
  }
]

/** Authenticates the bystander alone. */
const slow: Partial<GatewayOptions> = {
  authenticate: ({ token }) => (token === "bystander" ? Effect.succeed({ id: token }) : Effect.never),
  helloTimeout: "500 millis"
}

const beforeWelcome: ReadonlyArray<Case> = [
  { name: "data before hello", act: data(1), code: 4400, reason: "data before hello" },
  { name: "ack before hello", act: say({ type: "ack", ack: 0 }), code: 4400, reason: "ack before hello" },
  { name: "ping before hello", act: say({ type: "ping", id: 1 }), code: 4400, reason: "ping before hello" },
  { name: "bye before hello", act: say({ type: "bye" }), code: 4400, reason: "bye before hello" },
  {
    name: "welcome before hello",
    act: say({ type: "goaway", retryAfter: 1, reason: "x" }),
    code: 4400,
    reason: "goaway before hello"
  },
  {
    name: "a token that is no string",
    act: say({ type: "hello", token: 1 }),
    code: 4400,
    reason: /^hello: token: Expected string/
  },
  {
    name: "an unknown heartbeat",
    act: say({ type: "hello", heartbeat: "none" }),
    code: 4400,
    reason: /^hello: heartbeat: Expected "message"/
  },
  {
    name: "a resume without a secret",
    act: say({ type: "hello", resume: { session: "x", processed: 0, oldest: 1 } }),
    code: 4400,
    reason: /^hello: resume\.secret: is missing/
  },
  {
    name: "a resume of a session without a name",
    act: say({ type: "hello", resume: { session: "", secret: "x", processed: 0, oldest: 1 } }),
    code: 4400,
    reason: /^hello: resume\.session: /
  },
  {
    name: "a resume with a secret of ten thousand characters",
    act: say({ type: "hello", resume: { session: "x", secret: "s".repeat(10_000), processed: 0, oldest: 1 } }),
    code: 4400,
    reason: /^hello: resume\.secret: /
  },
  {
    name: "a resume that processed -1",
    act: say({ type: "hello", resume: { session: "x", secret: "x", processed: -1, oldest: 1 } }),
    code: 4400,
    reason: /^hello: resume\.processed: /
  },
  {
    name: "a resume that processed 2^53",
    act: say({ type: "hello", resume: { session: "x", secret: "x", processed: 2 ** 53, oldest: 1 } }),
    code: 4400,
    reason: /^hello: resume\.processed: /
  },
  {
    name: "a resume whose oldest is 0",
    act: say({ type: "hello", resume: { session: "x", secret: "x", processed: 0, oldest: 0 } }),
    code: 4400,
    reason: /^hello: resume\.oldest: /
  },
  {
    name: "a resume that is no object",
    act: say({ type: "hello", resume: "please" }),
    code: 4400,
    reason: /^hello: resume: /
  },
  {
    name: "data between hello and welcome",
    options: slow,
    act: (peer) => {
      peer.say({ type: "hello" })
      peer.data("early")
    },
    code: 4400,
    reason: "a message before welcome"
  },
  {
    name: "garbage between hello and welcome",
    options: slow,
    act: (peer) => {
      peer.say({ type: "hello" })
      peer.say("garbage")
    },
    code: 4400,
    reason: "a message before welcome"
  },
  {
    name: "hello twice at once",
    options: slow,
    act: say({ type: "hello" }, { type: "hello" }),
    code: 4400,
    reason: "a message before welcome"
  }
]

/** A client without a token is asked for one at once, and one that is "slow" is looked at for good. */
const expiring: Partial<GatewayOptions> = {
  authenticate: ({ token }) =>
    token === "slow"
      ? Effect.never
      : Effect.succeed({ id: token ?? "anonymous", expiresAt: token === undefined ? Date.now() + 20_000 : undefined })
}

const seq = "data: seq is not a sequence number"
const ack = "data: ack is not a count"

const inSession: ReadonlyArray<Case> = [
  {
    name: "a token that nobody asked for",
    act: say({ type: "token", token: "x" }),
    code: 4400,
    reason: "token: none was asked for"
  },
  {
    name: "a second token while the first is looked at",
    options: expiring,
    act: say({ type: "token", token: "slow" }, { type: "token", token: "x" }),
    code: 4400,
    reason: "token: another one is being looked at"
  },
  {
    name: "a token that is none",
    options: expiring,
    act: say({ type: "token" }),
    code: 4400,
    reason: /^token: token: /
  },
  {
    name: "a token that is no text",
    options: expiring,
    act: say({ type: "token", token: 1 }),
    code: 4400,
    reason: /^token: token: /
  },
  { name: "a second hello", act: say({ type: "hello" }), code: 4400, reason: "hello is not expected here" },
  ...[
    {
      type: "welcome",
      session: "x",
      generation: 1,
      secret: "x",
      processed: 0,
      resumed: false,
      heartbeat: 1,
      deadline: 2,
      resumeWindow: 3,
      limits: { maxMessage: 1, messages: 1, bytes: 1 }
    },
    { type: "replayed" },
    { type: "goaway", retryAfter: 0, reason: "x" },
    { type: "error", code: "x", reason: "x" },
    { type: "authenticate", expires: 1 }
  ].map(
    (message): Case => ({
      name: `a client's ${message.type}`,
      act: say(message),
      code: 4400,
      reason: `${message.type} is not expected here`
    })
  ),
  ...[undefined, null, "1", 0, -1, 1.5, 2 ** 53, 1e300, true, [1]].map(
    (value): Case => ({ name: `seq ${JSON.stringify(value)}`, act: data(value), code: 4400, reason: seq })
  ),
  ...[null, "0", -1, 0.5, 2 ** 53, 1e300, false].map(
    (value): Case => ({ name: `ack ${JSON.stringify(value)}`, act: data(1, value), code: 4400, reason: ack })
  ),
  ...[undefined, null, "0", -1, 0.5, 2 ** 53].map(
    (value): Case => ({
      name: `an ack message of ${JSON.stringify(value)}`,
      act: say({ type: "ack", ack: value }),
      code: 4400,
      reason: "ack: ack is not a count"
    })
  ),
  { name: "a seq of 2^64-1", codecs: msgpack, act: data(2n ** 64n - 1n), code: 4400, reason: seq },
  { name: "an ack of 2^64-1", codecs: msgpack, act: data(1, 2n ** 64n - 1n), code: 4400, reason: ack },
  {
    name: "a confirm that is no boolean",
    act: data(1, 0, { confirm: 1 }),
    code: 4400,
    reason: "data: confirm is not a boolean"
  },
  { name: "no body", codecs: json, act: say({ type: "data", seq: 1, ack: 0 }), code: 4400, reason: "data: no body" },
  { name: "a ping without an id", act: say({ type: "ping" }), code: 4400, reason: /^ping: id: is missing/ },
  { name: "a gap at once", act: data(2), code: 4400, reason: "gap: message 2 came, 1 was expected" },
  {
    name: "a gap later",
    act: (peer) => {
      data(1)(peer)
      data(3)(peer)
    },
    code: 4400,
    reason: "gap: message 3 came, 2 was expected"
  },
  {
    name: "the last sequence number there is",
    act: data(Number.MAX_SAFE_INTEGER),
    code: 4400,
    reason: /^gap: message 9007199254740991 came/
  },
  {
    name: "data with an acknowledgement never earned",
    act: data(1, 1),
    code: 4400,
    reason: "ack 1, but the last message sent was 0"
  },
  {
    name: "an acknowledgement never earned",
    act: say({ type: "ack", ack: 7 }),
    code: 4400,
    reason: "ack 7, but the last message sent was 0"
  },
  {
    name: "more messages in flight than the window",
    options: {
      replayMessages: 4,
      onMessage: ({ text }, session) => (text === "wait" ? Effect.never : session.send({ text }))
    },
    act: (peer) => {
      for (let i = 0; i < 5; i++) peer.data("wait")
    },
    code: 4400,
    reason: "more than 4 messages sent without waiting for acknowledgement"
  },
  {
    name: "more bytes in flight than the window",
    options: {
      replayMessages: 4,
      replayBytes: 4_000,
      maxMessage: 4_000,
      onMessage: ({ text }, session) => (text.startsWith("wait") ? Effect.never : session.send({ text }))
    },
    act: (peer) => {
      for (let i = 0; i < 3; i++) peer.data("wait".repeat(500))
    },
    code: 4400,
    reason: "more than 4000 bytes sent without waiting for acknowledgement"
  }
]

describe("what is no message", () => {
  describe("instead of hello", () => refusals(notAMessage, false))
  describe("in a session", () => refusals(notAMessage, true))
})

describe("what is wrong far below", () => refusals(tooDeep, false))

describe("what is no frame", () => {
  describe("instead of hello", () => refusals(wrongFrame, false))
  describe("in a session", () => refusals(wrongFrame, true))
})

describe("tells the reason in words", () => {
  const found = wrongFrame.filter(({ reason }) => reason === inWords)
  for (const code of [1002, 1007, 1008, 1009]) {
    it.scopedLive(`${code}`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        for (const { act } of found.filter((one) => one.code === code && one.options === undefined)) {
          const peer = yield* connect(gateway.address)
          act(peer)
          assert.notStrictEqual((yield* peer.closed).reason, "")
        }
      })
    )
  }
})

describe("a message before its time", () => refusals(beforeWelcome, false))

describe("a message that cannot be true", () => refusals(inSession, true))

describe("what looks wrong and is not", () => {
  for (const codec of codecs) {
    it.scopedLive(`fields nobody knows, a duplicate, the oldest ack, pings and a fragmented message (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const peer = yield* connect(gateway.address, { codec })
        yield* peer.hello({ color: "blue" })
        peer.data("one", { color: "blue" })
        assert.deepStrictEqual((yield* peer.next("data"))["body"], { text: "one" })
        peer.say({ type: "data", seq: 1, ack: 1, body: { text: "one" } })
        peer.say({ type: "ack", ack: 0 })
        peer.say({ type: "ping", id: 7 })
        assert.strictEqual((yield* peer.next("pong"))["id"], 7)
        const message = Buffer.from(encode(codec, { type: "ping", id: 8 }))
        const opcode = codec === "json" ? 1 : 2
        peer.socket.write(wireFrame(opcode, message.subarray(0, 5), { fin: false }))
        peer.socket.write(wireFrame(9, Buffer.from("between")))
        peer.socket.write(wireFrame(0, message.subarray(5)))
        assert.strictEqual((yield* peer.next("pong"))["id"], 8)
        yield* peer.echoes
      })
    )
  }
})
