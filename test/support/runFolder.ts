/** Vitest's `globalSetup`: a folder of the run for what its tests build once, `builtOnce.ts`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    runFolder: string
  }
}

export default ({ provide }: TestProject): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-built-"))
  provide("runFolder", folder)
  return () => rmSync(folder, { recursive: true })
}
