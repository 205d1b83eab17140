/** MessagePack as other languages write it: integers, texts, nesting. */
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { Codec } from "holdfast"
import { Packr, Unpackr } from "msgpackr"

const decoded = (body: Uint8Array) => Codec.msgpack.decode(Codec.msgpack.data(1, 0, false, body))
const bodyOf = (body: Uint8Array): unknown => {
  const message = decoded(body)
  return message.type === "data" ? message.body : message
}
const payload = (value: unknown): Buffer => Buffer.from(Either.getOrThrow(Codec.msgpack.payload(value)))

const int64 = (token: number, n: bigint): Buffer => {
  const bytes = Buffer.alloc(9, token)
  bytes.writeBigInt64BE(BigInt.asIntN(64, n), 1)
  return bytes
}
const safe = Number.MAX_SAFE_INTEGER

describe("MessagePack integers", () => {
  it("in 64 bits are numbers, to 2^53 - 1 on both sides of 0", () => {
    const integers = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, 1, -1, safe, -safe, 2 ** 32, -(2 ** 31) - 1))
    fc.assert(
      fc.property(integers, (n) => {
        assert.strictEqual(bodyOf(int64(0xd3, BigInt(n))), n === 0 ? 0 : n)
        if (n >= 0) assert.strictEqual(bodyOf(int64(0xcf, BigInt(n))), n === 0 ? 0 : n)
      })
    )
  })

  it("leave as integers, of 64 bits from 2^32 on and below -2^31; what is none leaves as a float", () => {
    const tokens: ReadonlyArray<readonly [number, number]> = [
      [2 ** 32 - 1, 0xce],
      [2 ** 32, 0xcf],
      [safe, 0xcf],
      [-(2 ** 31), 0xd2],
      [-(2 ** 31) - 1, 0xd3],
      [-safe, 0xd3],
      [2 ** 53, 0xcb],
      [-(2 ** 53), 0xcb],
      [1e300, 0xcb],
      [-0, 0xcb],
      [0.5, 0xcb],
      [Number.NaN, 0xcb],
      [Number.NEGATIVE_INFINITY, 0xcb]
    ]
    for (const [n, token] of tokens) {
      assert.strictEqual(payload(n)[0], token, String(n))
      assert.isTrue(Object.is(bodyOf(payload(n)), n), String(n))
    }
  })
})

describe("MessagePack", () => {
  it("is read as msgpackr reads it, and what is written msgpackr reads", () => {
    const unpackr = new Unpackr({ int64AsType: "number", useRecords: false, mapsAsObjects: true })
    const packr = new Packr({ useRecords: false, variableMapSize: true })
    const values = fc.anything({
      withNullPrototype: false,
      key: fc.string({ unit: "grapheme" }).filter((key) => key !== "__proto__"),
      values: [
        fc.boolean(),
        fc.double(),
        fc.maxSafeInteger(),
        fc.string({ unit: "grapheme", maxLength: 300 }),
        fc.constant(null),
        fc.uint8Array()
      ]
    })
    fc.assert(
      fc.property(values, (value) => {
        assert.deepStrictEqual(bodyOf(packr.pack(value)), unpackr.unpack(packr.pack(value)))
        assert.deepStrictEqual(bodyOf(payload(value)), unpackr.unpack(payload(value)))
      }),
      { numRuns: 2000 }
    )
  })

  it("with a text that is not UTF-8 is 4400, wherever and however long it is", () => {
    const bad = [
      "c0af",
      "c1bf",
      "80",
      "ff",
      "e08080",
      "eda080",
      "edbfbf",
      "f08080af",
      "f4908080",
      "f5808080",
      "c3",
      "e282",
      "c328"
    ]
    for (const hex of bad) {
      for (const before of [0, 1, 20, 40]) {
        const text = Buffer.concat([Buffer.alloc(before, 97), Buffer.from(hex, "hex")])
        const packed = Buffer.concat([Buffer.of(0xd9, text.length), text])
        const key = Buffer.concat([Buffer.of(0x81), packed, Buffer.of(1)])
        const head = Buffer.concat([Buffer.of(0x82, 0xa4), Buffer.from("type"), Buffer.of(0xa3), Buffer.from("bye")])
        for (const frame of [
          Codec.msgpack.data(1, 0, false, packed),
          Codec.msgpack.data(1, 0, false, key),
          Buffer.concat([head, Buffer.of(0xa1, 97), packed]),
          Buffer.concat([head, packed, Buffer.of(1)])
        ]) {
          assert.deepInclude(Codec.msgpack.decode(frame), { type: "malformed", code: 4400 }, `${hex} after ${before}`)
        }
      }
    }
  })

  it("with any text that is UTF-8 gives it as it is, a byte order mark included", () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 60 }),
      fc.constantFrom("\ufeffa", "\ufeff".repeat(20), "\0", "\u07ff\u0800\uffff\u{10ffff}")
    )
    fc.assert(
      fc.property(text, (value) =>
        assert.deepStrictEqual(bodyOf(payload({ [value]: value })), JSON.parse(JSON.stringify({ [value]: value })))
      )
    )
  })

  it("with half a character is refused where it is sent", () => {
    for (const text of ["\ud800", `${"a".repeat(100)}\udc00`]) {
      assert.isTrue(Either.isLeft(Codec.msgpack.payload({ text })))
      assert.isTrue(Either.isLeft(Codec.msgpack.payload({ [text]: 1 })))
    }
  })
})

describe("a body", () => {
  const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels))
  it("is nested 512 deep, and no deeper, in both subprotocols, where it is sent and where it arrives", () => {
    for (const codec of [Codec.json, Codec.msgpack]) {
      const whole = codec.payload(deep(512))
      assert.deepStrictEqual(codec.decode(codec.data(1, 0, false, Either.getOrThrow(whole))), {
        type: "data",
        seq: 1,
        ack: 0,
        body: deep(512)
      })
      assert.match(Either.getOrThrow(Either.flip(codec.payload(deep(513)))), /^nested too deeply/)
    }
    const tooDeep = "[".repeat(513) + "]".repeat(513)
    for (const frame of [
      `{"type":"data","seq":1,"ack":0,"body":${tooDeep}}`,
      `{"ack":0,"body":${tooDeep},"seq":1,"type":"data"}`
    ]) {
      const message = Codec.json.decode(frame)
      assert.isFalse(message.type === "data" && Array.isArray(message.body))
    }
    const packed = Buffer.concat([Buffer.alloc(512, 0x91), Buffer.of(0x90)])
    assert.deepInclude(decoded(packed), { type: "malformed", code: 4400 })
  })
})
