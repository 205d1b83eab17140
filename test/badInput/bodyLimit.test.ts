/** The limit of a body, to the byte, and integers that no number holds; at both ends, on real ports. */

import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, Stream } from "effect"
import { Codec, Messages, Topic } from "holdfast"
import { welcome } from "../support/welcome.js"
import { assertClosedWith, assertVerdict, makeClient, outcome } from "./fakeServer.js"
import { type CodecName, codecs, connect, type GatewayOptions, makeGateway, pack, soon, until } from "./support.js"

const Any = Topic.make("any/:name", Schema.Unknown)

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
        // That of the first one comes by itself where the second is late.
        const acknowledged = Effect.repeat(peer.next("ack"), { until: ({ ack }) => ack === 2 })
        assert.strictEqual((yield* acknowledged)["ack"], 2)
      })
  )
})

/** A text whose body, `{"text": …}`, has so many bytes: from 300 to 60,000 of them. */
const sized = (codec: CodecName, bytes: number) => ({ text: "x".repeat(bytes - (codec === "json" ? 11 : 9)) })

/** The same as a frame of a server's, in the shortest form: the head of the text is one of 16 bits. */
const dataOf = (codec: CodecName, body: { readonly text: string }): string | Buffer => {
  if (codec === "json") return JSON.stringify({ type: "data", seq: 1, ack: 0, body })
  const fields = ["type", "data", "seq", 1, "ack", 0, "body"].map(pack)
  const value = Buffer.concat([Buffer.of(0x81), pack("text"), pack(body.text)])
  return Buffer.concat([Buffer.of(0x84), ...fields, value])
}

describe("a client", () => {
  for (const codec of codecs) {
    const codecOf = { json: Codec.json, msgpack: Codec.msgpack }[codec]

    it.scopedLive(`takes a body of its limit; a byte more is 1009 with both sizes (${codec})`, () =>
      Effect.gen(function* () {
        for (const bytes of [2000, 2001]) {
          const { client, codes } = yield* makeClient(
            (caller) => {
              caller.say(welcome)
              caller.ws.send(dataOf(codec, sized(codec, bytes)), { binary: codec === "msgpack" })
            },
            { codec: codecOf, maxMessage: 2000 }
          )
          if (bytes === 2000) {
            const taken = yield* soon("the message", Stream.runHead(client.messages))
            assert.deepStrictEqual(Option.getOrThrow(taken), sized(codec, bytes))
            continue
          }
          const end = assertVerdict(yield* outcome(client), "Stop", "Refused")
          assert.deepInclude(end, { code: 1009, reason: "a body of 2001 bytes, and the limit is 2000" })
          yield* assertClosedWith(codes, 1009)
        }
      })
    )

    it.scopedLive(`sends a body of the server's limit; of a byte more it fails with both sizes (${codec})`, () =>
      Effect.gen(function* () {
        const bodies: Array<unknown> = []
        const { client } = yield* makeClient(
          (caller) => {
            caller.say({ ...welcome, limits: { ...welcome.limits, maxMessage: 2000 } })
            caller.hears(({ body, type }) => {
              if (type === "data") bodies.push(body)
            })
          },
          { codec: codecOf, maxMessage: 5000 }
        )
        yield* client.ready
        yield* client.send(sized(codec, 2000))
        const tooLarge = { _tag: "MessageTooLarge", size: 2001, limit: 2000 } as const
        assert.deepInclude(yield* Effect.flip(client.send(sized(codec, 2001))), tooLarge)
        assert.deepInclude(yield* Effect.flip(client.deliver(sized(codec, 2001))), tooLarge)
        // A publication is as large as in the larger of its two forms: its JSON text.
        const published = { ...tooLarge, size: codec === "json" ? 2001 : 2003 }
        assert.deepInclude(yield* Effect.flip(client.publish(Any.at({ name: "a" }), sized(codec, 2001))), published)
        yield* client.send({ text: "behind" })
        yield* until(
          "the messages",
          Effect.sync(() => bodies.length),
          (length) => length === 2
        )
        assert.deepStrictEqual(bodies, [sized(codec, 2000), { text: "behind" }])
      })
    )
  }
})
