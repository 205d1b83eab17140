/** The short way to read a `data` message of JSON: to the same result as the long one, whatever comes. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Codec } from "holdfast"
import * as jsonData from "../../src/protocol/jsonData.js"
import { malformed, validate } from "../../src/protocol/validate.js"

const parsed = (text: string) => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return malformed("the message is not JSON")
  }
  return validate(value)
}

/** The same to everybody: their fields' order and prototypes too, and what `__proto__` names. */
const same = (text: string): void => {
  const quick = Codec.json.decode(text)
  const slow = parsed(text)
  assert.deepStrictEqual(quick, slow, text)
  assert.strictEqual(JSON.stringify(quick), JSON.stringify(slow))
}

const numbers = fc.oneof(
  fc.nat().map(String),
  fc.maxSafeNat().map(String),
  fc.constantFrom(
    ...[
      "0",
      "00",
      "01",
      "-0",
      "-1",
      "1.0",
      "1e3",
      "1E+2",
      "0.5",
      "+1",
      "",
      " 1",
      "1 ",
      "null",
      '"1"',
      "0x1",
      "1n",
      "١"
    ],
    ...["9007199254740991", "9007199254740992", "999999999999999", "1000000000000000", "1e400", `1${"0".repeat(400)}`]
  )
)

const bodies = fc.oneof(
  fc.json(),
  fc.json({ noUnicodeString: false }).map((text) => ` \n${text}\t`),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc.string({ unit: "binary" }),
  fc.string().map((text) => `"${text}"`),
  fc.constantFrom(
    ...[
      "",
      "null",
      "undefined",
      "NaN",
      "1,",
      "1}",
      "{}}",
      '1,"body":2',
      '1,"seq":9',
      '{"a":1,"a":2}',
      '1,"type":"ack"'
    ],
    ...[
      '{"__proto__":1}',
      '{"__proto__":{"x":1}}',
      '1,"__proto__":{"body":2}',
      '{"body":{"seq":1}}',
      '"\\ud800"',
      '"\ud800"'
    ],
    ...[
      "[1,2",
      "1 2",
      "//",
      '"a',
      '"a\n"',
      "\u00a01",
      "\ufeff1",
      "1e5",
      "-0",
      "01",
      "[".repeat(50),
      `${"[".repeat(50)}${"]".repeat(50)}`
    ]
  )
)

const confirms = fc.constantFrom(
  "",
  "",
  ',"confirm":true',
  ',"confirm":false',
  ',"confirm":1',
  ',"confirm":true,"confirm":false'
)

const ends = fc.constantFrom("}", "}", "}", "", "} ", "}\n", "}}", "},", ',"x":1}', ',"body":3}', ' "}', "]")

const shaped = fc
  .tuple(numbers, numbers, confirms, bodies, ends)
  .map(([seq, ack, confirm, body, end]) => `{"type":"data","seq":${seq},"ack":${ack}${confirm},"body":${body}${end}`)

/** Something is put into a text, or taken out, somewhere. */
const changed = fc
  .tuple(
    shaped,
    fc.nat(),
    fc.nat({ max: 2 }),
    fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom(" ", '"', "\\", ",", "}", "\0"))
  )
  .map(([text, at, cut, put]) => {
    const from = at % (text.length + 1)
    return text.slice(0, from) + put + text.slice(from + cut)
  })

describe("A data message of JSON", () => {
  it("is read as the whole is parsed, of every shape that is like the encoder's", () => {
    fc.assert(fc.property(shaped, same), { numRuns: 20_000 })
  })

  it("is read as the whole is parsed, with a change anywhere", () => {
    fc.assert(fc.property(changed, same), { numRuns: 20_000 })
  })

  it("is read as the whole is parsed, however deep its body is", () => {
    for (const body of ["[".repeat(250_000) + "]".repeat(250_000), "[".repeat(250_000), '{"a":'.repeat(100_000)]) {
      const text = `{"type":"data","seq":1,"ack":0,"body":${body}}`
      assert.strictEqual(Codec.json.decode(text).type, parsed(text).type)
    }
  })

  it("is read the short way as it is encoded, and no other message is", () => {
    for (const confirm of [true, false]) {
      const frame = Codec.json.data(1, 0, confirm, '{"a":[1]}') as string // of JSON
      const expected = { type: "data", seq: 1, ack: 0, ...(confirm ? { confirm } : {}), body: { a: [1] } }
      assert.deepStrictEqual<unknown>(jsonData.read(frame), expected)
    }
    assert.isUndefined(jsonData.read('{"type":"ack","ack":1}'))
    assert.isUndefined(jsonData.read('{"type":"data","seq":0,"ack":0,"body":1}'))
    assert.isUndefined(jsonData.read('{"type":"data","seq":1,"ack":0,"body":1,"body":2}'))
  })
})
