import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { CloseCode } from "holdfast"

/** RFC 6455 §5.5: what a close frame has beside its code. */
const room = 123

const bytes = (text: string): number => new TextEncoder().encode(text).byteLength

/** Of every width that UTF-8 has, and unpaired surrogates. */
const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 200, size: "max" }),
  fc.string({ unit: "binary", maxLength: 200, size: "max" }),
  fc.string({ unit: fc.constantFrom("a", "é", "€", "😀", "\ud83d", "\ude00", "\ufeff"), maxLength: 200, size: "max" })
)

/** In one line, and as every UTF-8 encoder takes a lone surrogate. */
const wellFormed = (text: string): string =>
  new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(new TextEncoder().encode(text))
    .replace(/[\p{Cc}\u2028\u2029]/gu, " ")

describe("truncateReason", () => {
  it("gives at most 123 bytes, a beginning of what it was given, and as much of it as there is room for", () => {
    const property = fc.property(anyText, (reason) => {
      const whole = wellFormed(reason)
      const cut = CloseCode.truncateReason(reason)
      assert.isAtMost(bytes(cut), room)
      assert.isTrue(whole.startsWith(cut), "a prefix")
      const next = String.fromCodePoint(...[...whole.slice(cut.length)].slice(0, 1).map((c) => c.codePointAt(0) ?? 0))
      if (next === "") assert.strictEqual(cut, whole)
      else assert.isAbove(bytes(cut + next), room, "one character more is too many")
    })
    fc.assert(property, { numRuns: 3000 })
  })

  it("never cuts inside a character, and its bytes are valid UTF-8", () => {
    const property = fc.property(anyText, (reason) => {
      const cut = CloseCode.truncateReason(reason)
      const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      assert.strictEqual(strict.decode(new TextEncoder().encode(cut)), cut)
      assert.isFalse(/[\ud800-\udfff]/u.test(cut), "no half of a character")
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it("changes nothing that fits, and nothing that it has cut already", () => {
    const property = fc.property(anyText, (reason) => {
      const whole = wellFormed(reason)
      const cut = CloseCode.truncateReason(reason)
      if (bytes(whole) <= room) assert.strictEqual(cut, whole)
      assert.strictEqual(CloseCode.truncateReason(cut), cut)
    })
    fc.assert(property, { numRuns: 2000 })
  })
})

/** DESIGN.md's table: where it says nothing, 4500 to 4999 stop and others resume. */
const stops = new Set([1002, 1003, 1007, 1008, 1009, 1010, 4400, 4401, 4403, 4409, 4410])

describe("The verdict", () => {
  it("is total: every code from 0 to 65535 has the one that the design gives it", () => {
    for (let code = 0; code <= 0xffff; code++) {
      for (const byeSent of [false, true]) {
        const isStop = stops.has(code) || (code >= 4500 && code <= 4999) || (code === 1000 && byeSent)
        assert.strictEqual(CloseCode.verdict(code, { byeSent })._tag, isStop ? "Stop" : "Resume", `${code}`)
      }
    }
  })

  it("is total for numbers that are no codes, too", () => {
    fc.assert(fc.property(fc.double(), (code) => assert.include(["Stop", "Resume"], CloseCode.verdict(code)._tag)))
  })

  it("on an HTTP status is total, and never stops at what a server may get over", () => {
    for (let status = 0; status < 1000; status++) {
      const { _tag } = CloseCode.verdictOfStatus(status)
      const isRefusal = status >= 300 && status < 500 && ![404, 408, 425, 429].includes(status)
      assert.strictEqual(_tag, isRefusal ? "Stop" : "Resume", `${status}`)
    }
  })

  it("is unexpected exactly when it was not expected", () => {
    const property = fc.property(fc.array(fc.nat(5)), fc.nat(5), (expected, code) =>
      assert.strictEqual(CloseCode.isUnexpected(code, ...expected), !new Set(expected).has(code))
    )
    fc.assert(property)
  })
})
