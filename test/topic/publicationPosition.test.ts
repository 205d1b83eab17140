import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Codec, Protocol } from "holdfast"

const publication = (epoch: string, offset: number) =>
  Codec.json.publication("news", { epoch, offset }, JSON.stringify("body"))

describe("The position of a publication", () => {
  it("is one that could be recovered from: with it a client that subscribes again would be closed otherwise", () => {
    for (const [epoch, offset] of [
      ["", 1],
      ["e".repeat(129), 1],
      ["e", 0],
      ["e", -1],
      ["e", 1.5]
    ] as const) {
      const decoded = Codec.json.decode(publication(epoch, offset))
      assert.deepInclude(decoded, { type: "malformed", reason: "publication: position is not one" })
    }
    for (const epoch of ["e", "e".repeat(128)]) {
      const decoded = Codec.json.decode(publication(epoch, 1))
      assert.isTrue(Schema.is(Protocol.Publication)(decoded))
    }
  })
})
