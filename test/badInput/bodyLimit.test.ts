/** The limit of a body, to the byte, and integers that no number holds; at a gateway on a real port. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Messages } from "holdfast"
import { codecs, connect, type GatewayOptions, makeGateway, pack } from "./support.js"

const options = {
  maxMessage: 2000,
  messages: Messages.json,
  onMessage: () => Effect.void
} as unknown as Partial<GatewayOptions> // of any message

const frames = (size: number): Readonly<Record<(typeof codecs)[number], ReadonlyArray<string | Buffer>>> => {
  const text = JSON.stringify("é".repeat(100) + "a".repeat(size - 202))
  const bytes = Buffer.concat([Buffer.of(0xda, 0, 0), Buffer.alloc(size - 3, 97)])
  bytes.writeUInt16BE(size - 3, 1)
  const head = Buffer.concat([Buffer.of(0x84), ...["type", "data", "seq", 1, "ack", 0, "body"].map(pack)])
  return {
    json: [
      `{"type":"data","seq":1,"ack":0,"body":${text}}`,
      `{ "body" : ${text} , "x": [{"body": 1}, "\\""], "ack":0, "seq":1, "type":"data" }`
    ],
    msgpack: [Buffer.concat([head, bytes])]
  }
}

describe("a data body", () => {
  for (const codec of codecs) {
    it.scopedLive(`of the limit is taken, and one of a byte more is 1009 with both sizes (${codec})`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(options)
        for (const frame of frames(2000)[codec]) {
          const peer = yield* connect(gateway.address, { codec })
          yield* peer.hello()
          peer.ws.send(frame, { binary: codec === "msgpack" })
          assert.strictEqual((yield* peer.next("ack"))["ack"], 1)
        }
        for (const frame of frames(2001)[codec]) {
          const peer = yield* connect(gateway.address, { codec })
          yield* peer.hello()
          peer.ws.send(frame, { binary: codec === "msgpack" })
          assert.deepStrictEqual(yield* peer.closed, {
            code: 1009,
            reason: "a body of 2001 bytes, and the limit is 2000"
          })
        }
      })
    )
  }

  it.scopedLive(
    "with an integer that no number holds is invalid-message, unchecked as it is, and the session goes on",
    () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(options)
        const peer = yield* connect(gateway.address, { codec: "msgpack" })
        yield* peer.hello()
        peer.say({ type: "data", seq: 1, ack: 0, body: [{ at: 2n ** 53n }] })
        assert.deepInclude(yield* peer.next("error"), { code: "invalid-message", seq: 1 })
        peer.say({ type: "data", seq: 2, ack: 0, body: 1 })
        assert.strictEqual((yield* peer.next("ack"))["ack"], 2)
      })
  )
})
