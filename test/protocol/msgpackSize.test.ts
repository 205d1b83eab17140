import { assert, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { Codec } from "holdfast"
import { msgpackSize } from "../../src/protocol/msgpack/msgpackSize.js"

const encoded = (value: unknown) => Either.getOrThrow(Codec.msgpack.payload(value)).length

it("the size of a JSON value is that of its MessagePack bytes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      assert.strictEqual(msgpackSize(value), encoded(value))
    }),
    { numRuns: 2000 }
  )
})

const edges = [0x1f, 0x20, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0xffffffff, 2 ** 32]

it("at every edge between two forms", () => {
  for (const edge of edges) {
    for (const n of [edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1, edge + 0.5]) {
      assert.strictEqual(msgpackSize(n), encoded(n), `the number ${n}`)
    }
  }
  for (const length of edges.filter((edge) => edge <= 0x10000).flatMap((edge) => [edge - 1, edge, edge + 1])) {
    for (const unit of ["a", "é", "漢"]) {
      const text = unit.repeat(length)
      assert.strictEqual(msgpackSize(text), encoded(text), `${length} times ${unit}`)
    }
    const items = Array.from({ length }, () => 1)
    assert.strictEqual(msgpackSize(items), encoded(items), `an array of ${length}`)
    const fields = Object.fromEntries(items.map((item, index) => [`f${index}`, item]))
    if (length < 0x10000) assert.strictEqual(msgpackSize(fields), encoded(fields), `an object of ${length}`)
  }
})
