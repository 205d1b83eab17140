/** Vitest's `globalSetup`: a folder of the run for the pages that its tests build, `pages.ts`. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    pagesFolder: string
  }
}

export default ({ provide }: TestProject): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-pages-"))
  provide("pagesFolder", folder)
  return () => rmSync(folder, { recursive: true })
}
