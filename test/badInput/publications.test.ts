/** Publications that cannot be: refused by name, and subscribers of either subprotocol go on. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { codecs, join, type Peer, pack } from "./support.js"
import { ask, makeBystander, makeGateway, unharmed } from "./topicGateway.js"

const topic = "any/a"

/** MessagePack that no JSON gives, as bytes. */
const bytes = (body: Buffer, id = 1): Buffer =>
  Buffer.concat([
    Buffer.of(0x84),
    ...["type", "publish", "id"].map(pack),
    pack(id),
    ...["topic", topic, "body"].map(pack),
    body
  ])

const json = (body: string, id = 1): string => `{"type":"publish","id":${id},"topic":"${topic}","body":${body}}`

const float = (value: number): Buffer => {
  const out = Buffer.alloc(9, 0xcb)
  out.writeDoubleBE(value, 1)
  return out
}

const int64 = (value: bigint): Buffer => {
  const out = Buffer.alloc(9, 0xd3)
  out.writeBigInt64BE(value, 1)
  return out
}

const safe = 2n ** 53n - 1n
const inArray = (body: Buffer): Buffer => Buffer.concat([Buffer.of(0x91), body])
const inMap = (body: Buffer): Buffer => Buffer.concat([Buffer.of(0x81), pack("a"), body])
const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
const deepBytes = (levels: number) => Buffer.concat([Buffer.alloc(levels - 1, 0x91), Buffer.of(0x90)])

/** A publication as it is on the wire, and what subscribers get. */
const taken: ReadonlyArray<readonly [what: string, frame: string | Buffer, body: unknown]> = [
  ["null", json("null"), null],
  ["false", json("false"), false],
  ["0", json("0"), 0],
  ["an empty string", json('""'), ""],
  ["an empty array", json("[]"), []],
  ["an own toJSON", json('{"toJSON":1}'), { toJSON: 1 }],
  ["128 nested arrays", json(deep(128)), JSON.parse(deep(128))],
  ["nil", bytes(Buffer.of(0xc0)), null],
  ["5 in 64 bits", bytes(int64(5n)), 5],
  ["the largest safe integer in 64 bits", bytes(int64(safe)), Number(safe)],
  ["the smallest safe integer, far below", bytes(inMap(inArray(int64(-safe)))), { a: [Number(-safe)] }],
  ["128 nested arrays in MessagePack", bytes(deepBytes(128)), JSON.parse(deep(128))]
]

const refused: ReadonlyArray<readonly [what: string, frame: string | Buffer, reason: RegExp]> = [
  ["1e400", json("1e400"), /^Infinity has no JSON form$/],
  ["half a character", json('"\\ud800"'), /surrogate/],
  ["half a character in a field's name", json('{"\\udc00":1}'), /surrogate/],
  ...[129, 1000, 1500, 2000, 5000, 100_000].flatMap(
    (levels): ReadonlyArray<readonly [string, string | Buffer, RegExp]> => [
      [`${levels} nested arrays`, json(deep(levels)), /^nested too deeply/],
      [`${levels} nested objects`, json(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`), /^nested too deeply/]
    ]
  ),
  ...[129, 500].map((levels): readonly [string, Buffer, RegExp] => [
    `${levels} nested arrays in MessagePack`,
    bytes(deepBytes(levels)),
    /^nested too deeply/
  ]),
  ["bytes", bytes(Buffer.of(0xc4, 1, 7)), /^bytes have no JSON form$/],
  ["bytes far below", bytes(inMap(inArray(Buffer.of(0xc4, 0)))), /^bytes have no JSON form$/],
  ["NaN", bytes(float(Number.NaN)), /^NaN has no JSON form$/],
  ["-Infinity", bytes(inArray(float(Number.NEGATIVE_INFINITY))), /^-Infinity has no JSON form$/],
  ["2^53 in 64 bits", bytes(int64(safe + 1n)), /^an integer beyond 2\^53 - 1$/],
  ["-2^53 in 64 bits", bytes(int64(-safe - 1n)), /^an integer beyond 2\^53 - 1$/],
  ["2^53+1 in 64 bits", bytes(inArray(int64(safe + 2n))), /^an integer beyond 2\^53 - 1$/]
]

const violations: ReadonlyArray<readonly [what: string, frame: Buffer]> = [
  ["an extension type", bytes(Buffer.of(0xd4, 1, 0))],
  ["an extension type far below", bytes(inMap(inArray(Buffer.of(0xc7, 0, 5))))],
  ["a timestamp", bytes(Buffer.of(0xd6, 0xff, 0, 0, 0, 0))],
  ["undefined, which is one", bytes(Buffer.of(0xd4, 0, 0))],
  ["50,000 nested arrays", bytes(deepBytes(50_000))]
]

const codecOf = (frame: string | Buffer) => (typeof frame === "string" ? "json" : "msgpack")
const publish = (peer: Peer, frame: string | Buffer) => {
  peer.ws.send(frame, { binary: typeof frame !== "string" })
  return peer.next("published", "error")
}

describe("a body", () => {
  for (const [what, frame, body] of taken) {
    it.scopedLive(`that is ${what} is taken, and arrives the same in either subprotocol`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const readers = yield* Effect.forEach(codecs, (codec) => makeBystander(gateway, `any/${codec}`, codec))
        for (const { peer } of readers) yield* ask(peer, { type: "subscribe", topic })
        const { peer } = yield* join(gateway.address, { codec: codecOf(frame) })
        const { position, type } = yield* publish(peer, frame)
        assert.strictEqual(type, "published")
        for (const reader of readers) {
          const said = { type: "publication", topic, position, body }
          assert.deepStrictEqual<unknown>(yield* reader.peer.next("publication"), said)
        }
      })
    )
  }

  it.scopedLive("with integers in MessagePack's 64 bits is what its topic's Schema takes for a number", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const { peer } = yield* join(gateway.address, { codec: "msgpack" })
      for (const body of [5n, safe]) {
        assert.include(yield* ask(peer, { type: "publish", topic: "counts/a", body }), { type: "published" })
      }
      const tooMuch = yield* ask(peer, { type: "publish", topic: "counts/a", body: safe + 1n })
      assert.include(tooMuch, { type: "error", code: "invalid-publication" })
    })
  )

  it.scopedLive("that is no JSON in both subprotocols is refused, and nobody hears of it", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const readers = yield* Effect.forEach(codecs, (codec) => makeBystander(gateway, `any/${codec}`, codec))
      for (const { peer } of readers) yield* ask(peer, { type: "subscribe", topic })
      for (const [what, frame, reason] of refused) {
        const { peer } = yield* join(gateway.address, { codec: codecOf(frame) })
        const answer = yield* publish(peer, frame)
        assert.deepInclude(answer, { type: "error", code: "invalid-publication", id: 1 }, what)
        assert.match(String(answer["reason"]), reason, what)
        yield* peer.echoes
        peer.ws.terminate()
      }
      for (const { goesOn, peer } of readers) {
        yield* goesOn
        assert.strictEqual(peer.waiting("publication"), 0)
      }
    })
  )

  it.scopedLive("of an extension type, or beyond what can be walked through, is a violation: 4400", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const bystander = yield* makeBystander(gateway)
      for (const [what, frame] of violations) {
        const { peer } = yield* join(gateway.address, { codec: "msgpack" })
        peer.ws.send(frame)
        const closed = yield* peer.closed
        assert.strictEqual(closed.code, 4400, what)
        assert.match(closed.reason, /not MessagePack|nested too deeply/, what)
      }
      yield* unharmed(gateway, bystander)
    })
  )
})

describe("a body that its topic's Schema refuses", () => {
  const wrong: ReadonlyArray<unknown> = [
    null,
    1,
    "x",
    [],
    {},
    { text: 1 },
    { text: null },
    { text: "x".split("") },
    { text: Array(50_000).fill("x") }
  ]
  for (const codec of codecs) {
    it.scopedLive(`is an invalid publication (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway, "rooms/a")
        const { peer } = yield* join(gateway.address, { codec })
        for (const body of wrong) {
          const answer = yield* ask(peer, { type: "publish", topic: "rooms/a", body })
          assert.include(answer, { type: "error", code: "invalid-publication" }, JSON.stringify(body).slice(0, 100))
          assert.isAtMost(String(answer["reason"]).length, 1000)
        }
        const more = { text: "x", color: "blue" }
        assert.include(yield* ask(peer, { type: "publish", topic: "rooms/a", body: more }), { type: "published" })
        assert.deepInclude(yield* bystander.peer.next("publication"), { body: { text: "x" } })
        yield* bystander.goesOn
      })
    )
  }
})

describe("a body's size", () => {
  const floats = (count: number) => Array.from({ length: count }, () => 0.5)
  const sizes: ReadonlyArray<readonly [what: string, body: unknown, tooLarge: boolean]> = [
    ["1000 bytes of text in MessagePack", "x".repeat(997), false],
    ["1001 bytes of text in MessagePack, and 1000 of JSON", "x".repeat(998), true],
    ["1000 bytes of JSON, and fewer of MessagePack", [...Array(331).fill([]), 12345], false],
    ["1001 bytes of JSON, and fewer of MessagePack", [...Array(331).fill([]), 123456], true],
    ["998 bytes of two each", "é".repeat(498), false],
    ["1002 bytes of two each", "é".repeat(500), true],
    ["1002 bytes of escapes", "\n".repeat(500), true],
    ["1000 bytes of MessagePack, and fewer of JSON", [...floats(110), "x".repeat(6)], false],
    ["more MessagePack than that, and 481 bytes of JSON", floats(120), true]
  ]
  for (const codec of codecs) {
    it.scopedLive(`is what the larger of its two forms has, and at most the limit (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ maxMessage: 1000 })
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address, { codec })
        for (const [what, body, tooLarge] of sizes) {
          const answer = yield* ask(peer, { type: "publish", topic, body })
          if (tooLarge) assert.include(answer, { type: "error", code: "too-large" }, what)
          else assert.include(answer, { type: "published" }, what)
        }
        yield* peer.echoes
        yield* bystander.goesOn
      })
    )

    it.scopedLive(`far above it is too large a WebSocket message: 1009 (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ maxMessage: 1000 })
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address, { codec })
        peer.say({ type: "publish", id: 1, topic, body: "x".repeat(2025) })
        assert.strictEqual((yield* peer.closed).code, 1009)
        yield* unharmed(gateway, bystander)
      })
    )
  }
})

describe("a megabyte of bytes where none belong", () => {
  const megabyte = Buffer.concat([Buffer.of(0xc6, 0, 0x0f, 0x42, 0x40), Buffer.alloc(1_000_000, 7)])
  const fields = (...rest: ReadonlyArray<Buffer>) => Buffer.concat([Buffer.of(0x80 + rest.length / 2), ...rest])
  const frames: ReadonlyArray<readonly [what: string, frame: Buffer]> = [
    ["a topic", fields(pack("type"), pack("subscribe"), pack("id"), pack(1), pack("topic"), megabyte)],
    ["an id", fields(pack("type"), pack("unsubscribe"), pack("id"), megabyte, pack("topic"), pack(topic))],
    ["a position", fields(pack("type"), pack("subscribe"), pack("id"), pack(1), pack("since"), megabyte)],
    ["a message", megabyte]
  ]
  for (const [what, frame] of frames) {
    it.scopedLive(`as ${what}: 4400, and no more work than that of looking at them`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address, { codec: "msgpack" })
        const before = process.cpuUsage()
        peer.ws.send(frame)
        assert.strictEqual((yield* peer.closed).code, 4400)
        const { system, user } = process.cpuUsage(before)
        assert.isBelow((user + system) / 1000, 500, "ms of this process")
        yield* unharmed(gateway, bystander)
      })
    )
  }
})
