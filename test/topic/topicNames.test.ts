import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import { Topic } from "holdfast"

const word = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_.~!$%&'()*+,;=@"), minLength: 1, maxLength: 8 })

/** A pattern, and the names of its parameters, each used once. */
const pattern = fc
  .array(fc.oneof(word, fc.constant(undefined)), { minLength: 1, maxLength: 6 })
  .map((segments) => segments.map((segment, i) => segment ?? `:p${i}`))
  .filter((segments) => Topic.patternFlaw(segments.join("/")) === undefined)

const value = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("/", ":", "%", "#", "?", " ", "a", "😀", "%2F"), minLength: 1, maxLength: 6 })
)

/** A pattern with a value for each of its parameters. */
const filled = pattern.chain((segments) =>
  fc.record({
    segments: fc.constant(segments),
    params: fc
      .tuple(
        ...segments
          .filter((segment) => segment.startsWith(":"))
          .map((segment) => fc.tuple(fc.constant(segment.slice(1)), value))
      )
      .map((pairs) => Object.fromEntries(pairs))
  })
)

/** Of a pattern that is known only when it runs. */
const make = (segments: ReadonlyArray<string>) => {
  const topic = Topic.make(segments.join("/"), Schema.Unknown)
  // The parameters of a pattern of type string are of no names that a type could know.
  return topic as unknown as Topic.Topic<unknown, Record<string, string>>
}

describe("A topic's pattern", () => {
  it("gives back the parameters of every name that it makes", () => {
    const property = fc.property(filled, ({ params, segments }) => {
      const topic = make(segments)
      assert.deepStrictEqual(topic.match(topic.at(params).name), params)
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it("makes names that are valid, as long as they are short enough", () => {
    const property = fc.property(filled, ({ params, segments }) => {
      const { name } = make(segments).at(params)
      const flaw = Topic.flaw(name)
      if (name.length <= Topic.maxName) assert.isUndefined(flaw)
      else assert.include(flaw, "at most")
    })
    fc.assert(property, { numRuns: 2000 })
  })

  it("makes one name for one topic: whatever it matches, it would have made", () => {
    const piece = fc.oneof(word, fc.string({ unit: fc.constantFrom("%", "2", "F", "f", "a", "/", "+"), maxLength: 5 }))
    const names = fc.array(piece, { minLength: 1, maxLength: 6 }).map((segments) => segments.join("/"))
    const property = fc.property(pattern, names, (segments, name) => {
      const topic = make(segments)
      const params = topic.match(name)
      if (params !== undefined) assert.strictEqual(topic.at(params).name, name)
    })
    fc.assert(property, { numRuns: 3000 })
    // Of a pattern that fits everything of one segment, so that matching is no accident.
    const one = make([":all"])
    const fits = fc.property(piece, (name) => {
      const params = one.match(name)
      if (params !== undefined) assert.strictEqual(one.at(params).name, name)
    })
    fc.assert(fits, { numRuns: 3000 })
  })

  it("makes different names of different parameters", () => {
    const two = filled.chain((one) =>
      fc.record({ one: fc.constant(one), other: fc.tuple(...Object.keys(one.params).map(() => value)) })
    )
    const property = fc.property(two, ({ one: { params, segments }, other }) => {
      const topic = make(segments)
      const others = Object.fromEntries(Object.keys(params).map((name, i) => [name, other[i] ?? ""]))
      const isSame = Object.entries(params).every(([name, own]) => others[name] === own)
      assert.strictEqual(topic.at(params).name === topic.at(others).name, isSame)
    })
    fc.assert(property, { numRuns: 1000 })
  })

  it("answers whatever name it is asked about, and never throws", () => {
    const property = fc.property(pattern, fc.string({ unit: "binary" }), (segments, name) => {
      const params = make(segments).match(name)
      assert.isTrue(params === undefined || typeof params === "object")
    })
    fc.assert(property, { numRuns: 1000 })
  })
})
