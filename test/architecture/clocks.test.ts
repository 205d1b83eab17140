/** One module reads the clocks, and says which is for what. */
import * as fs from "node:fs"
import { assert, it } from "@effect/vitest"

const src = new URL("../../src/", import.meta.url)

const reads = /\b(?:unsafeCurrentTime(?:Millis|Nanos)|currentTime(?:Millis|Nanos)|Date\.now|performance\.now|hrtime)\b/

/** Those that make clocks, or show what a server has said of times, beside it. */
const mayRead = [
  /^connection\/clocks\.ts$/,
  // They are clocks, and what judges stores and brokers by one.
  /^testing\//,
  // In a page, which has no Effect.
  /^node\/inspector\/page\//
]

it("no other file of src reads a clock", () => {
  const files = fs.readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name))
  const readers = files.filter((name) => reads.test(fs.readFileSync(new URL(name, src), "utf8")))
  assert.include(readers, "connection/clocks.ts")
  assert.deepStrictEqual(
    readers.filter((name) => !mayRead.some((one) => one.test(name))),
    []
  )
})
