/** A run of its own for gate.test.ts: one file with a test that needs Redis and one that does not. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { include: ["*.fixture.ts"], globalSetup: ["../leftOut.ts"] }
})
