/** What frames of strangers cost to decode: MessagePack no more than four times what the slowest JSON of as many bytes does. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, ConnectionError } from "holdfast"
import { type CodecName, connect, makeGateway } from "./support.js"

const size = 250_000

const filled = (unit: (at: number) => Buffer, head: number): Buffer => {
  const units: Array<Buffer> = []
  for (let bytes = 0; bytes < size - 100; bytes += units.at(-1)?.length ?? 0) units.push(unit(units.length))
  const count = Buffer.alloc(5, head)
  count.writeUInt32BE(units.length, 1)
  return Buffer.concat([count, ...units])
}
const text = (value: string) => Buffer.concat([Buffer.of(0xa0 + Buffer.byteLength(value)), Buffer.from(value)])
const key = (at: number) => text(at.toString(36).padStart(4, "a"))
const array = (unit: Buffer | ((at: number) => Buffer)) => filled(typeof unit === "function" ? unit : () => unit, 0xdd)
const map = (entry: (at: number) => Buffer) => filled(entry, 0xdf)
const zero = Buffer.of(0)

const packed: Readonly<Record<string, Buffer>> = {
  "small integers": array(Buffer.of(1)),
  "empty maps": array(Buffer.of(0x80)),
  "empty arrays": array(Buffer.of(0x90)),
  "empty texts": array(Buffer.of(0xa0)),
  "maps of one field": array(Buffer.of(0x81, 0xa1, 0x61, 0)),
  "maps of a field that no other has": array((at) => Buffer.concat([Buffer.of(0x81), key(at), zero])),
  "maps of a field that is an index": array((at) => Buffer.concat([Buffer.of(0x81), text(String(at % 1000)), zero])),
  "maps in maps": array(Buffer.concat([Buffer.alloc(1000, Buffer.of(0x81, 0xa0)), zero])),
  "arrays in arrays": array(Buffer.concat([Buffer.alloc(500, 0x91), zero])),
  "one map of many fields": map((at) => Buffer.concat([key(at), zero])),
  "one map of far indices": map((at) => Buffer.concat([text(String(at * 4001)), zero])),
  "one field again and again": map(() => Buffer.concat([text("a"), zero])),
  "__proto__ again and again": array(Buffer.concat([Buffer.of(0x81), text("__proto__"), zero])),
  "short texts beyond ASCII": array(text("é")),
  "longer texts beyond ASCII": array(text("漢".repeat(9))),
  bytes: array(Buffer.of(0xc4, 1, 0)),
  "integers that no number holds": array(Buffer.of(0xcf, 255, 0, 0, 0, 0, 0, 0, 1)),
  "extension types": array(Buffer.of(0xd4, 1, 0))
}

const many = (item: (at: number) => string, [open, close] = ["[", "]"]): string => {
  const items: Array<string> = []
  for (let bytes = 0; bytes < size - 100; bytes += (items.at(-1)?.length ?? 0) + 1) items.push(item(items.length))
  return `${open}${items.join(",")}${close}`
}
const name = (at: number) => at.toString(36).padStart(4, "a")
const texts: ReadonlyArray<string> = [
  many(() => "{}"),
  many(() => "[]"),
  many((at) => `{"${name(at)}":0}`),
  many((at) => `"${name(at)}":0`, ["{", "}"]),
  many(() => `${"[".repeat(500)}${"]".repeat(500)}`)
]

/** CPU milliseconds, the least of several: what else the machine does is in none of it for long. */
const cost = (run: () => void): number => {
  const times = Array.from({ length: 7 }, () => {
    const before = process.cpuUsage()
    run()
    const { system, user } = process.cpuUsage(before)
    return (system + user) / 1000
  })
  return Math.min(...times)
}

it("MessagePack is decoded, or refused, within 4 × the CPU of the slowest JSON", {
  timeout: 600_000
}, () => {
  const slowestJson = () =>
    Math.max(...texts.map((body) => cost(() => Codec.json.decode(`{"type":"data","seq":1,"ack":0,"body":${body}}`))))
  let slowest = slowestJson()
  for (const [what, body] of Object.entries(packed)) {
    const frames = [
      Buffer.from(Codec.msgpack.data(1, 0, false, body)),
      Buffer.concat([Buffer.of(0x82), text("type"), text("hello"), text("resume"), body])
    ]
    for (const frame of frames) {
      let took = cost(() => Codec.msgpack.decode(frame))
      // The machine is not the same all the time: what is over the line is measured again, and beside it what it is held against.
      for (let again = 0; again < 4 && took > 4 * slowest; again++) {
        slowest = slowestJson()
        took = cost(() => Codec.msgpack.decode(frame))
      }
      assert.isAtMost(took, 4 * slowest, `${what}: ${took} ms, and the slowest JSON ${slowest} ms`)
    }
  }
  assert.strictEqual(
    Codec.msgpack.decode(Codec.msgpack.data(1, 0, false, packed["small integers"] ?? zero)).type,
    "data"
  )
})

it("MessagePack in a field that nobody knows costs at most four times what it costs as JSON", () => {
  // Three values in the bytes in which JSON has one, and each costs the same.
  const json = many(() => "{}")
  const frame = Buffer.concat([Buffer.of(0x82), text("type"), text("hello"), text("x"), packed["empty maps"] ?? zero])
  const asJson = cost(() => Codec.json.decode(`{"type":"hello","x":${json}}`))
  const took = cost(() => Codec.msgpack.decode(frame))
  assert.isAtMost(took, 4 * asJson, `${took} ms, and ${asJson} ms as JSON`)
})

// ---- at a gateway, without a token

const helloOf = (body: Buffer) => Buffer.concat([Buffer.of(0x82), text("type"), text("hello"), text("x"), body])

/** As many as fit into a hello, after its first fields. */
const helloBytes = 16 * 1024 - 64
const cut = (unit: Buffer, head: number, perUnit = 1): Buffer => {
  const units = Math.floor(helloBytes / unit.byteLength)
  const count = Buffer.alloc(5, head)
  count.writeUInt32BE(units * perUnit, 1)
  return Buffer.concat([count, Buffer.alloc(units * unit.byteLength, unit)])
}
const indices = Buffer.concat(Array.from({ length: 1000 }, (_, at) => Buffer.concat([text(String(at * 4001)), zero])))
const deep = Buffer.concat([Buffer.alloc(500, 0x91), zero])
const worstHellos: Readonly<Record<string, Buffer | string>> = {
  "empty maps": helloOf(cut(Buffer.of(0x80), 0xdd)),
  "nested arrays": helloOf(cut(deep, 0xdd)),
  "maps of an index": helloOf(cut(Buffer.concat([Buffer.of(0x81), text("999"), zero]), 0xdd)),
  "one map of far indices": helloOf(Buffer.concat([Buffer.of(0xde, 1000 >> 8, 1000 & 255), indices])),
  bytes: helloOf(cut(Buffer.of(0xc4, 1, 0), 0xdd)),
  "short texts": helloOf(cut(text("é"), 0xdd)),
  "JSON of empty maps": `{"type":"hello","x":[${"{},".repeat(helloBytes / 3 - 10)}{}]}`,
  "JSON of nested arrays": `{"type":"hello","x":${"[".repeat(7000)}${"]".repeat(7000)}}`,
  "a megabyte of empty maps": Buffer.concat([
    Buffer.of(0x81, 0xa1, 0x78, 0xdd, 0, 15, 66, 56),
    Buffer.alloc(1e6, 0x80)
  ]),
  "a megabyte of JSON": `{"type":"hello","x":[${"{},".repeat(333_000)}{}]}`
}

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

it.scopedLive(
  "eight hellos of a stranger's cost at most four times as much as eight good ones, whatever is in them",
  () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({
        authenticate: ({ token }) =>
          token === undefined
            ? new ConnectionError.NotAuthenticated({ reason: "no token" })
            : Effect.succeed({ id: token })
      })
      /** CPU milliseconds of eight connections, one after the other, with what this process does for them as a client. */
      const eight = (frame: Buffer | string, codec: CodecName) =>
        Effect.gen(function* () {
          const before = process.cpuUsage()
          for (let turn = 0; turn < 8; turn++) {
            yield* Effect.scoped(
              Effect.gen(function* () {
                const peer = yield* connect(gateway.address, { codec })
                peer.ws.send(frame)
                yield* peer.answer
              })
            )
          }
          const { system, user } = process.cpuUsage(before)
          return (system + user) / 1000
        })
      const good = JSON.stringify({ type: "hello", token: "ann" })
      const runs = Array.from({ length: 9 }, (_, run) => run)
      for (const [what, frame] of Object.entries(worstHellos)) {
        const codec = typeof frame === "string" ? "json" : "msgpack"
        // Warm, and in turn: what else the machine does is in both.
        yield* eight(frame, codec)
        yield* eight(good, "json")
        const costs = yield* Effect.forEach(runs, () => Effect.all([eight(frame, codec), eight(good, "json")]))
        const [bad, usual] = [median(costs.map(([bad]) => bad)), median(costs.map(([, good]) => good))]
        assert.isAtMost(bad, 4 * usual, `${what}: ${bad} ms, and good ones ${usual} ms`)
      }
    })
)
