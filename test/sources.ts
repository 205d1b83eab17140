/** The entry points as sources: what the tests import, and what the pages they open are built of. */
import { fileURLToPath } from "node:url"

const src = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url))

export const aliases = [
  { find: /^holdfast$/, replacement: src("index.ts") },
  { find: /^holdfast\/browser$/, replacement: src("browser/index.ts") },
  { find: /^holdfast\/node$/, replacement: src("node/index.ts") },
  { find: /^holdfast\/redis$/, replacement: src("redis/index.ts") },
  { find: /^holdfast\/testing$/, replacement: src("testing/index.ts") }
]
