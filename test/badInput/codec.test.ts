/** Frames from nowhere: decoding is total, touches nothing, and costs no more than the frame is worth. */
import { assert, describe, it } from "@effect/vitest"
import { Codec } from "holdfast"
import { kept, used } from "./memory.js"
import { pack } from "./support.js"

/** Small, fast and the same every time (mulberry32). */
const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const types = ["hello", "data", "ack", "ping", "pong", "bye", "welcome", "replayed", "goaway", "error", "malformed"]

/** What decoding must hold for any frame. */
const decodes = (codec: Codec.Codec, frame: Codec.Frame) => {
  const message = codec.decode(frame)
  assert.include(types, message.type)
  if (message.type === "malformed") {
    assert.include([4400, 1003], message.code)
    assert.isNotEmpty(message.reason)
  }
  assert.isUndefined(({} as Record<string, unknown>)["polluted"])
  return message
}

const samples: ReadonlyArray<unknown> = [
  { type: "hello", token: "t", resume: { session: "s", secret: "x", processed: 3, oldest: 4 } },
  { type: "data", seq: 1, ack: 0, confirm: true, body: { text: "hi", list: [1, 2.5, null, true, "é👋"] } },
  { type: "ack", ack: 12 },
  { type: "goaway", retryAfter: 100_000, reason: "later" },
  { type: "error", code: "c", reason: "r", seq: 1 }
]

/** Changes, drops, doubles or inserts some bytes. */
const mutate = (bytes: Buffer, next: () => number): Buffer => {
  const out = [...bytes]
  for (let times = 1 + Math.floor(next() * 4); times > 0; times--) {
    const at = Math.floor(next() * out.length)
    const byte = Math.floor(next() * 256)
    const how = next()
    if (how < 0.5) out[at] = byte
    else if (how < 0.7) out.splice(at, 1 + Math.floor(next() * 8))
    else out.splice(at, 0, byte)
  }
  return Buffer.from(out)
}

describe("decoding never throws", () => {
  it("for random bytes", () => {
    const next = random(1)
    for (let run = 0; run < 4_000; run++) {
      const bytes = Buffer.from(Array.from({ length: Math.floor(next() * 64) }, () => Math.floor(next() * 256)))
      decodes(Codec.msgpack, bytes)
      decodes(Codec.json, bytes.toString("latin1"))
    }
  })

  it("for messages that were damaged", () => {
    const next = random(2)
    for (let run = 0; run < 4_000; run++) {
      const sample = samples[run % samples.length]
      decodes(Codec.msgpack, mutate(pack(sample), next))
      decodes(Codec.json, mutate(Buffer.from(JSON.stringify(sample)), next).toString())
    }
  })

  it("for every MessagePack token, alone and before what is too short for it", () => {
    for (let token = 0; token < 256; token++) {
      for (let length = 0; length < 18; length += 1 + (length >> 2)) {
        for (const fill of [0x00, 0x72, 0xff]) {
          decodes(Codec.msgpack, Buffer.concat([Buffer.of(token), Buffer.alloc(length, fill)]))
        }
      }
    }
  })

  it("for every extension type of MessagePack in a body", () => {
    const head = Buffer.concat([Buffer.of(0x84), ...["type", "data", "seq", 1, "ack", 0, "body"].map(pack)])
    for (let type = 0; type < 256; type++) {
      const bodies = [1, 2, 4, 8, 16].map((size, at) =>
        Buffer.concat([Buffer.of(0xd4 + at, type), Buffer.alloc(size, 1)])
      )
      for (const body of [...bodies, Buffer.of(0xc7, 0, type), Buffer.of(0xc7, 2, type, 1, 1)]) {
        decodes(Codec.msgpack, Buffer.concat([head, body]))
        decodes(Codec.msgpack, Buffer.concat([head, body, Buffer.of(0x91, 0xa1, 0x61)]))
      }
    }
  })

  it("for deep nesting", () => {
    decodes(Codec.json, "[".repeat(500_000))
    decodes(Codec.json, '{"a":'.repeat(200_000))
    decodes(Codec.json, `{"type":"hello","resume":${"[".repeat(300_000)}${"]".repeat(300_000)}}`)
    for (const token of [0x91, 0x81, 0xdd, 0xdf, 0xd4]) decodes(Codec.msgpack, Buffer.alloc(500_000, token))
  })

  it("and one bad frame leaves nothing behind for the next", () => {
    const next = random(3)
    const good = { type: "data", seq: 1, ack: 0, body: { a: [64, 65, 127], b: "text" } }
    for (let run = 0; run < 2000; run++) {
      // Record definitions of msgpackr, the tokens that refer to them, and damage.
      const definition = Buffer.concat([Buffer.of(0xd4, 0x72, 0x40 + (run % 64)), pack(["x", "y"]), pack(1)])
      decodes(Codec.msgpack, run % 2 === 0 ? definition : mutate(pack(good), next))
      const message = decodes(Codec.msgpack, pack(good))
      assert.deepStrictEqual<unknown>(message, good)
    }
  })
})

describe("decoding touches no prototype", () => {
  const attack = '{"polluted":true}'
  const json = [
    `{"type":"data","seq":1,"ack":0,"body":{"__proto__":${attack},"constructor":{"prototype":${attack}}}}`,
    `{"__proto__":${attack},"type":"ack","ack":0}`,
    `{"type":"hello","resume":{"__proto__":${attack}}}`,
    `{"type":"hello","__proto__":${attack}}`
  ]
  for (const frame of json) {
    it(frame, () => {
      decodes(Codec.json, frame)
      const packed = pack(JSON.parse(frame))
      const message = decodes(Codec.msgpack, packed)
      assert.strictEqual(Object.getPrototypeOf(message), Object.prototype)
      if (message.type === "data") assert.strictEqual(Object.getPrototypeOf(message.body), Object.prototype)
    })
  }
})

describe("a small frame costs little", () => {
  const arrays = (length: number, times: number) => {
    const one = Buffer.alloc(5)
    one[0] = 0xdd
    one.writeUInt32BE(length, 1)
    return Buffer.concat(Array.from({ length: times }, () => one))
  }
  const frames: ReadonlyArray<readonly [string, Buffer]> = [
    ["one array that claims 30 million items", arrays(30_000_000, 1)],
    ["500 nested arrays that each claim 50,000 items", arrays(50_000, 500)],
    ["a map that claims 4 billion entries", Buffer.of(0xdf, 255, 255, 255, 255)],
    ["a string that claims 4 GB", Buffer.of(0xdb, 255, 255, 255, 255)],
    ["bytes that claim 4 GB", Buffer.of(0xc6, 255, 255, 255, 255)]
  ]
  for (const [name, frame] of frames) {
    it(`${name} (${frame.length} bytes)`, () => {
      const before = kept()
      decodes(Codec.msgpack, frame)
      assert.isBelow((used() - before) / 1e6, 20, "MB")
    })
  }

  it("a million digits of an extension's integer are no work for the event loop", () => {
    const body = Buffer.concat([Buffer.of(0xc9, 0, 15, 66, 64, 0x42), Buffer.alloc(1_000_000, 0x7f)])
    const frame = Buffer.concat([Buffer.of(0x84), ...["type", "data", "seq", 1, "ack", 0, "body"].map(pack), body])
    // The quickest of some: others may have had the processor meanwhile.
    const took = Array.from({ length: 5 }, () => {
      const before = performance.now()
      decodes(Codec.msgpack, frame)
      return performance.now() - before
    })
    assert.isBelow(Math.min(...took), 500)
  })
})

describe("byteLength", () => {
  it("is what Node would write, lone surrogates included", () => {
    for (const text of ["", "abc", "é", "€", "👋", "a👋é€", "\u007f\u0080\u07ff\u0800\uffff"]) {
      assert.strictEqual(Codec.byteLength(text), Buffer.byteLength(text), text)
    }
    assert.isAtMost(Codec.byteLength("\ud83d"), Buffer.byteLength("\ud83d"))
    assert.strictEqual(Codec.byteLength(new Uint8Array(7)), 7)
  })
})
