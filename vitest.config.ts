import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^holdfast$/, replacement: src("index.ts") },
      { find: /^holdfast\/browser$/, replacement: src("browser/index.ts") },
      { find: /^holdfast\/node$/, replacement: src("node/index.ts") },
      { find: /^holdfast\/redis$/, replacement: src("redis/index.ts") },
      { find: /^holdfast\/testing$/, replacement: src("testing/index.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/gate/leftOut.ts"],
    testTimeout: 30_000,
    // A test that is skipped by accident is a test that does not run.
    allowOnly: false
  }
})
