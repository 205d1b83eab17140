/** Keys of MessagePack maps and JSON objects: strings alone, the last of equal ones, and none that touches a prototype. */
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { Codec } from "holdfast"

const text = (value: string) => Buffer.concat([Buffer.of(0xa0 + value.length), Buffer.from(value)])
const map = (...parts: ReadonlyArray<Buffer>) => Buffer.concat([Buffer.of(0x80 + parts.length / 2), ...parts])
const seven = Buffer.of(7)

const decoded = (body: Buffer) => Codec.msgpack.decode(Codec.msgpack.data(1, 0, false, body))
const bodyOf = (body: Buffer): unknown => {
  const message = decoded(body)
  return message.type === "data" ? message.body : message
}

describe("A MessagePack key that is no string", () => {
  const keys: ReadonlyArray<readonly [string, Buffer]> = [
    ["a map", Buffer.of(0x80)],
    ["an array", Buffer.of(0x90)],
    ["bytes", Buffer.of(0xc4, 0)],
    ["nil", Buffer.of(0xc0)],
    ["true", Buffer.of(0xc3)],
    ["a small integer", Buffer.of(5)],
    ["a negative integer", Buffer.of(0xff)],
    ["an integer of 16 bits", Buffer.of(0xcd, 1, 0)],
    ["an integer of 64 bits", Buffer.of(0xcf, 0, 0, 0, 0, 0, 0, 0, 1)],
    ["a float", Buffer.of(0xca, 0, 0, 0, 0)]
  ]
  for (const [name, key] of keys) {
    it(`is 4400, in a body and in the message: ${name}`, () => {
      for (const body of [map(key, seven), map(text("a"), Buffer.concat([Buffer.of(0x91), map(key, seven)]))]) {
        assert.deepInclude(decoded(body), { type: "malformed", code: 4400 })
      }
      const message = Codec.msgpack.decode(map(text("type"), text("bye"), key, seven))
      assert.deepInclude(message, { type: "malformed", code: 4400 })
    })
  }

  it("is refused where it is sent: the peer would end the session", () => {
    for (const key of [{ a: 1 }, [1], Uint8Array.of(1), 2, true, null, undefined, 1.5]) {
      for (const body of [
        new Map([[key, 1]]),
        {
          deep: [
            [],
            {},
            new Map<unknown, unknown>([
              ["fine", {}],
              [key, 1]
            ])
          ]
        }
      ]) {
        assert.include(Either.getOrThrow(Either.flip(Codec.msgpack.payload(body))), "a key that is no string")
      }
    }
  })

  it("does not keep a Map with others from being sent", () => {
    const payload = Codec.msgpack.payload(
      new Map<unknown, unknown>([
        ["a", {}],
        ["2", [new Map([["é", 1]])]]
      ])
    )
    assert.deepStrictEqual(bodyOf(Buffer.from(Either.getOrThrow(payload))), { a: {}, 2: [{ é: 1 }] })
  })
})

describe("MessagePack keys are as in JSON.parse", () => {
  it("of equal ones the last wins, at the place of the first", () => {
    const body = map(text("a"), seven, text("b"), seven, text("a"), Buffer.of(8))
    assert.strictEqual(JSON.stringify(bodyOf(body)), '{"a":8,"b":7}')
    const message = Codec.msgpack.decode(map(text("type"), text("bye"), text("type"), text("replayed")))
    assert.deepStrictEqual(message, { type: "replayed" })
  })

  it("__proto__ is a plain one, however deep, and sets no prototype", () => {
    const proto = map(text("__proto__"), map(text("polluted"), seven))
    const [outer, inner] = [
      JSON.parse('{"__proto__":{"polluted":7}}'),
      JSON.parse('{"a":[{"__proto__":{"polluted":7}}]}')
    ]
    const got = bodyOf(proto)
    assert.deepStrictEqual(got, outer)
    assert.isTrue(Object.hasOwn(got as object, "__proto__"))
    assert.strictEqual(Object.getPrototypeOf(got), Object.prototype)
    assert.deepStrictEqual(bodyOf(map(text("a"), Buffer.concat([Buffer.of(0x91), proto]))), inner)
    assert.deepStrictEqual(Codec.msgpack.payload(outer), Either.right(Uint8Array.from(proto)))
  })
})

describe("JSON keys", () => {
  it("of equal ones the last counts, in a body, beside it, and of two bodies", () => {
    const said = { type: "data", seq: 2, ack: 0, body: { a: 2, b: 1 } } as const
    for (const frame of [
      '{"type":"data","seq":2,"ack":0,"body":{"a":1,"b":1,"a":2}}',
      '{"type":"bye","seq":1,"ack":0,"body":7,"seq":2,"body":{"b":1,"a":2},"type":"data"}'
    ]) {
      assert.deepStrictEqual(Codec.json.decode(frame), said)
    }
    assert.strictEqual(Codec.json.bodySize('{"type":"data","seq":1,"ack":0,"body":12345,"body":12}'), 2)
  })

  it("__proto__ is one like any other, in a body and beside it", () => {
    const body = '{"__proto__":{"polluted":1},"a":[{"__proto__":2}]}'
    for (const frame of [
      `{"type":"data","seq":1,"ack":0,"body":${body}}`,
      `{"__proto__":{"ack":7},"type":"data","ack":0,"body":${body},"seq":1}`
    ]) {
      const message = Codec.json.decode(frame)
      if (message.type !== "data") return assert.fail(message.type)
      assert.deepInclude(message, { seq: 1, ack: 0 })
      assert.strictEqual(JSON.stringify(message.body), body)
      assert.strictEqual(Object.getPrototypeOf(message.body), Object.prototype)
    }
    // What is missing is not found in a field that nobody knows.
    assert.deepInclude(Codec.json.decode('{"__proto__":{"ack":7},"type":"ack"}'), { type: "malformed", code: 4400 })
  })
})
