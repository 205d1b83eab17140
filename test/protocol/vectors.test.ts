/** `vectors.json` is for clients and servers in other languages: what is in it is what Holdfast writes and reads. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { Codec, Protocol } from "holdfast"

interface Pieces<H> {
  readonly head: H
  readonly piece: string
  readonly pieceBytes: string
  readonly json: string
  readonly msgpack: string
}

interface Vectors {
  readonly messages: ReadonlyArray<{
    readonly message: Protocol.Message
    readonly json: string
    readonly msgpack: string
  }>
  readonly parts: ReadonlyArray<Pieces<Protocol.PartHead>>
  readonly chunks: ReadonlyArray<Pieces<Protocol.ChunkHead>>
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

  const pieces = (
    type: "part" | "chunk",
    { head, json, msgpack, piece, pieceBytes }: Pieces<object>,
    write: (codec: Codec.Codec, piece: Codec.Payload) => Codec.Frame
  ) =>
    it(`${json} is read and written`, () => {
      assert.deepStrictEqual<unknown>(Codec.json.decode(json), { type, ...head, piece })
      assert.deepStrictEqual<unknown>(Codec.msgpack.decode(bytes(msgpack)), { type, ...head, piece: bytes(pieceBytes) })
      assert.strictEqual(write(Codec.json, piece), json)
      assert.deepStrictEqual(write(Codec.msgpack, bytes(pieceBytes)), bytes(msgpack))
    })
  for (const vector of vectors.parts) pieces("part", vector, (codec, piece) => codec.part(vector.head, piece))
  for (const vector of vectors.chunks) pieces("chunk", vector, (codec, piece) => codec.chunk(vector.head, piece))

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
