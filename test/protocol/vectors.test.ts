/** `vectors.json` is for clients and servers in other languages: what is in it is what Holdfast writes and reads. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { Codec, Protocol } from "holdfast"

interface Vectors {
  readonly messages: ReadonlyArray<{
    readonly message: Protocol.Message
    readonly json: string
    readonly msgpack: string
  }>
  readonly parts: ReadonlyArray<{
    readonly head: Protocol.PartHead
    readonly piece: string
    readonly pieceBytes: string
    readonly json: string
    readonly msgpack: string
  }>
  readonly chunks: ReadonlyArray<{
    readonly head: Protocol.ChunkHead
    readonly piece: string
    readonly pieceBytes: string
    readonly json: string
    readonly msgpack: string
  }>
  readonly malformed: ReadonlyArray<{
    readonly codec: "json" | "msgpack"
    readonly frame: string
    readonly code: number
  }>
}

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Vectors

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

const written = (codec: Codec.Codec, message: Protocol.Message): Codec.Frame => {
  if (message.type === "part" || message.type === "chunk") return assert.fail("these have lists of their own")
  if (message.type !== "data") return codec.encode(message)
  const { ack, body, confirm, seq } = message
  return codec.data(seq, ack, confirm === true, Either.getOrThrow(codec.payload(body)))
}

describe("The vectors", () => {
  for (const { json, message, msgpack } of vectors.messages) {
    it(`${json} is read and written`, () => {
      assert.deepStrictEqual(Codec.json.decode(json), message)
      assert.deepStrictEqual(Codec.msgpack.decode(bytes(msgpack)), message)
      assert.strictEqual(written(Codec.json, message), json)
      assert.deepStrictEqual(written(Codec.msgpack, message), bytes(msgpack))
    })
  }

  for (const { head, json, msgpack, piece, pieceBytes } of vectors.parts) {
    it(`${json} is read and written`, () => {
      assert.deepStrictEqual(Codec.json.decode(json), { type: "part", ...head, piece })
      assert.deepStrictEqual(Codec.msgpack.decode(bytes(msgpack)), { type: "part", ...head, piece: bytes(pieceBytes) })
      assert.strictEqual(Codec.json.part(head, piece), json)
      assert.deepStrictEqual(Codec.msgpack.part(head, bytes(pieceBytes)), bytes(msgpack))
    })
  }

  for (const { head, json, msgpack, piece, pieceBytes } of vectors.chunks) {
    it(`${json} is read and written`, () => {
      assert.deepStrictEqual(Codec.json.decode(json), { type: "chunk", ...head, piece })
      assert.deepStrictEqual(Codec.msgpack.decode(bytes(msgpack)), { type: "chunk", ...head, piece: bytes(pieceBytes) })
      assert.strictEqual(Codec.json.chunk(head, piece), json)
      assert.deepStrictEqual(Codec.msgpack.chunk(head, bytes(pieceBytes)), bytes(msgpack))
    })
  }

  for (const { code, codec, frame } of vectors.malformed) {
    it(`${codec} ${JSON.stringify(frame)} is refused with ${code}`, () => {
      const decoded = Codec[codec].decode(codec === "json" ? frame : bytes(frame))
      assert.deepInclude(decoded, { type: "malformed", code })
    })
  }

  it("have every message of the protocol", () => {
    const types = [...Protocol.ClientMessage.members, ...Protocol.ServerMessage.members].map(
      ({ fields }) => fields.type.literals[0]
    )
    const shown = vectors.messages.map(({ message }) => message.type)
    assert.sameMembers([...new Set([...shown, "part", "chunk"])], [...new Set(types)])
  })
})
