import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { Codec } from "holdfast"

const decoded = (body: unknown) =>
  Either.map(Codec.msgpack.payload(body), (payload) => Codec.msgpack.decode(Codec.msgpack.data(1, 0, false, payload)))

describe("A MessagePack body with keys that no object can have", () => {
  const keys: ReadonlyArray<readonly [string, unknown]> = [
    ["an object", { a: 1 }],
    ["an array", [1]],
    ["bytes", Uint8Array.of(1)]
  ]
  for (const [name, key] of keys) {
    it(`is refused where it is sent when the key is ${name}: the peer would end the session`, () => {
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
        const refused = Either.flip(decoded(body))
        assert.isTrue(Either.isRight(refused))
        assert.include(Either.getOrThrow(refused), "a key that is an array, a map or bytes")
      }
    })
  }

  it("is accepted with other keys, whatever it is nested in and however it goes on", () => {
    const bodies: ReadonlyArray<readonly [unknown, unknown]> = [
      [
        new Map<unknown, unknown>([
          ["a", {}],
          [2, []],
          [true, { b: [] }]
        ]),
        { a: {}, 2: [], true: { b: [] } }
      ],
      [
        [{}, [], [[]], { a: [{}], b: { c: {} } }, Uint8Array.of(1)],
        [{}, [], [[]], { a: [{}], b: { c: {} } }, Uint8Array.of(1)]
      ],
      [
        { a: [1, [2, { b: [3] }]], c: { d: [] }, e: [{ f: 1 }] },
        { a: [1, [2, { b: [3] }]], c: { d: [] }, e: [{ f: 1 }] }
      ]
    ]
    for (const [body, expected] of bodies) {
      assert.deepStrictEqual(decoded(body), Either.right({ type: "data", seq: 1, ack: 0, body: expected }))
    }
  })
})
