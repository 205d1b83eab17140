/** MessagePack costs no more than four times what the slowest JSON of as many bytes does. */
import { assert, it } from "@effect/vitest"
import { Codec } from "holdfast"

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
  const slowest = Math.max(
    ...texts.map((body) => cost(() => Codec.json.decode(`{"type":"data","seq":1,"ack":0,"body":${body}}`)))
  )
  for (const [what, body] of Object.entries(packed)) {
    const frames = [
      Buffer.from(Codec.msgpack.data(1, 0, false, body)),
      Buffer.concat([Buffer.of(0x82), text("type"), text("hello"), text("resume"), body])
    ]
    for (const frame of frames) {
      const took = cost(() => Codec.msgpack.decode(frame))
      assert.isAtMost(took, 4 * slowest, `${what}: ${took} ms, and the slowest JSON ${slowest} ms`)
    }
  }
  assert.strictEqual(
    Codec.msgpack.decode(Codec.msgpack.data(1, 0, false, packed["small integers"] ?? zero)).type,
    "data"
  )
})

it("MessagePack in a field that nobody knows costs no more than twice what it costs as JSON", () => {
  const json = many(() => "{}")
  const slowest = cost(() => Codec.json.decode(`{"type":"hello","x":${json}}`))
  const frame = Buffer.concat([Buffer.of(0x82), text("type"), text("hello"), text("x"), packed["empty maps"] ?? zero])
  const took = cost(() => Codec.msgpack.decode(frame))
  assert.isAtMost(took, 2 * slowest, `${took} ms, and ${slowest} ms as JSON`)
})
