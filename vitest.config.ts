import { defineConfig } from "vitest/config"
import { aliases } from "./test/sources.js"

export default defineConfig({
  resolve: { alias: aliases },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/gate/leftOut.ts", "test/browser/pagesFolder.ts"],
    testTimeout: 30_000,
    // A core is not left over for a watcher, as is the default: there is none.
    maxWorkers: "100%",
    // A test that is skipped by accident is a test that does not run.
    allowOnly: false
  }
})
