/** Both codecs, whatever they are given. */
import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as fc from "fast-check"
import { CloseCode, Codec, Protocol } from "holdfast"
import { body, count, message, sequence } from "../support/arbitraryMessages.js"

const codecs = [Codec.json, Codec.msgpack] as const

const bytesOf = (frame: Codec.Frame): Uint8Array =>
  typeof frame === "string" ? new TextEncoder().encode(frame) : frame

/** What a codec would be given of these bytes: JSON's come as text. */
const frameOf = (codec: Codec.Codec, bytes: Uint8Array): Codec.Frame =>
  codec === Codec.json ? new TextDecoder().decode(bytes) : bytes

const dataFrame = (codec: Codec.Codec, { ack, body, confirm, seq }: Protocol.Data): Codec.Frame =>
  codec.data(seq, ack, confirm === true, Either.getOrThrow(codec.payload(body)))

const data: fc.Arbitrary<Protocol.Data> = fc
  .record(
    { type: fc.constant("data" as const), seq: sequence, ack: count, confirm: fc.constant(true), body },
    {
      requiredKeys: ["type", "seq", "ack", "body"]
    }
  )
  .map((made) => structuredClone(made))

const anyMessage = fc.oneof(data, message)

const encode = (codec: Codec.Codec, made: Protocol.Message): Codec.Frame => {
  if (made.type === "data") return dataFrame(codec, made)
  if (made.type === "chunk") return codec.chunk(made, made.piece)
  return made.type === "part" ? codec.part(made, made.piece) : codec.encode(made)
}

const isMessage = Schema.is(Schema.Union(Protocol.ClientMessage, Protocol.ServerMessage))

/** A message, or the typed failure: never anything else, never a throw. */
const decodes = (codec: Codec.Codec, frame: Codec.Frame): void => {
  const decoded = codec.decode(frame)
  if (decoded.type !== "malformed") return assert.isTrue(isMessage(decoded), "a message is one of the protocol")
  assert.isTrue(CloseCode.isSendable(decoded.code), `${decoded.code} can be sent`)
  assert.deepStrictEqual(CloseCode.verdict(decoded.code), { _tag: "Stop", why: "Refused" })
  assert.isNotEmpty(decoded.reason)
}

/** One byte becomes another, is left out, is put in, or the end is cut off. */
const mutation = fc.record({
  kind: fc.constantFrom("change", "drop", "insert", "cut"),
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 })
})

const mutated = (bytes: Uint8Array, mutations: ReadonlyArray<{ kind: string; at: number; byte: number }>): Uint8Array =>
  Uint8Array.from(
    mutations.reduce<ReadonlyArray<number>>(
      (now, { at: anywhere, byte, kind }) => {
        const at = anywhere % (now.length + 1)
        if (kind === "change") return now.map((old, i) => (i === at ? byte : old))
        if (kind === "drop") return now.filter((_, i) => i !== at)
        return kind === "insert" ? [...now.slice(0, at), byte, ...now.slice(at)] : now.slice(0, at)
      },
      [...bytes]
    )
  )

describe("A codec", () => {
  for (const codec of codecs) {
    describe(codec.subprotocol, () => {
      it("gives back every message", () => {
        fc.assert(
          fc.property(anyMessage, (made) => assert.deepStrictEqual(codec.decode(encode(codec, made)), made)),
          {
            numRuns: 1500
          }
        )
      })

      it("turns whatever comes into a message or a typed failure", () => {
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodes(codec, bytes)),
          { numRuns: 2000 }
        )
        fc.assert(
          fc.property(fc.string({ unit: "binary" }), (text) => decodes(codec, text)),
          { numRuns: 2000 }
        )
        fc.assert(
          fc.property(fc.json(), (text) => decodes(codec, text)),
          { numRuns: 1000 }
        )
      })

      it("turns a frame that was changed on the way into a message or a typed failure", () => {
        const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 })
        const property = fc.property(anyMessage, mutations, (made, changes) =>
          decodes(codec, frameOf(codec, mutated(bytesOf(encode(codec, made)), changes)))
        )
        fc.assert(property, { numRuns: 3000 })
      })

      it("tells its frames' sizes in bytes", () => {
        const property = fc.property(anyMessage, (made) => {
          const frame = encode(codec, made)
          assert.strictEqual(Codec.byteLength(frame), bytesOf(frame).byteLength)
        })
        fc.assert(property)
      })

      it("tells the size of a long text in bytes, wherever its pairs lie", () => {
        for (const text of ["x", "é", "日", "😀", "a😀", "é😀日x"]) {
          for (let before = 0; before < 4; before++) {
            const long = "a".repeat(before) + text.repeat(20_000)
            assert.strictEqual(Codec.byteLength(long), Buffer.byteLength(long))
          }
        }
      })

      it("has room in the envelope that is allowed for", () => {
        const property = fc.property(data, (made) => {
          const payload = Either.getOrThrow(codec.payload(made.body))
          const envelope = Codec.byteLength(dataFrame(codec, made)) - Codec.byteLength(payload)
          assert.isAtMost(envelope, Codec.envelopeBytes)
        })
        fc.assert(property)
      })

      it("encodes a body or says why not, and never throws", () => {
        const anything = fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
          withSparseArray: true
        })
        // Whatever its keys are.
        const maps = fc.array(fc.tuple(anything, anything), { maxLength: 2 }).map((entries) => new Map(entries))
        const property = fc.property(fc.oneof(anything, maps), (value) => {
          const payload = codec.payload(value)
          if (Either.isLeft(payload)) return assert.isNotEmpty(payload.left)
          const decoded = codec.decode(codec.data(1, 0, false, payload.right))
          assert.strictEqual(decoded.type, "data")
        })
        fc.assert(property, { numRuns: 1500 })
      })
    })
  }

  it("agrees with the other on every message, and on what is none", () => {
    const inherited = fc.constantFrom("constructor", "__proto__", "toString", "hasOwnProperty", "valueOf")
    const almost = fc.oneof(
      inherited.map((type) => ({ type })),
      anyMessage.chain((made) =>
        fc.record({ field: fc.constantFrom(...Object.keys(made)), value: body }).map(({ field, value }) => ({
          ...made,
          [field]: value
        }))
      ),
      fc.dictionary(fc.constantFrom("type", "seq", "ack", "body", "topic"), body),
      body
    )
    const property = fc.property(almost, (value) => {
      const packed = Either.getOrThrow(Codec.msgpack.payload(value))
      decodes(Codec.msgpack, packed)
      assert.deepStrictEqual(
        Codec.msgpack.decode(packed),
        Codec.json.decode(JSON.stringify(value)),
        "the same is accepted, and refused for the same reason"
      )
    })
    fc.assert(property, { numRuns: 2000 })
  })
})
