/** How much stands in one place of `src`: what is more is two things. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"

const src = new URL("../../src/", import.meta.url)

const mostFiles = 25
const mostLines = 350

/** Tables, which are read entry by entry. */
const tables = ["protocol/ConnectionError.ts", "protocol/Protocol.ts"]

const files = fs
  .readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(src.pathname, path.join(entry.parentPath, entry.name)))

it("no folder of src holds more than 25 files", () => {
  const counts = new Map<string, number>()
  for (const file of files) counts.set(path.dirname(file), (counts.get(path.dirname(file)) ?? 0) + 1)
  assert.isAbove(counts.size, 10)
  assert.deepStrictEqual(
    [...counts].filter(([, count]) => count > mostFiles),
    []
  )
})

it("no file of src has more than 350 lines, but for tables", () => {
  const long = files.filter(
    (file) =>
      /\.tsx?$/.test(file) && fs.readFileSync(new URL(file, src), "utf8").trimEnd().split("\n").length > mostLines
  )
  assert.sameMembers(long, tables)
})
