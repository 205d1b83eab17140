/** Vitest's `globalSetup`: after the run, whatever reports it, which files were left out by the gate and what would run them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import type { TestProject } from "vitest/node"
import { all, type Needed } from "./needed.js"

declare module "vitest" {
  interface ProvidedContext {
    /** A file that has a line for each test file that was left out: what was missing, and the file. */
    leftOut: string
  }
}

const report = ({ name, remedy, variable }: Needed, files: ReadonlyArray<string>): string => `
No ${name} was found, so these tests did not run:
${files.map((file) => `  ${file}\n`).join("")}To run them: ${remedy}, or name one: ${variable}=/path/to/${name}
`

export default ({ config, provide }: TestProject): (() => void) => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-left-out-"))
  const leftOut = join(directory, "files")
  provide("leftOut", leftOut)
  return () => {
    const lines = existsSync(leftOut) ? readFileSync(leftOut, "utf8").trimEnd().split("\n") : []
    rmSync(directory, { recursive: true })
    for (const needed of all) {
      const prefix = `${needed.name} `
      const files = lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
      if (files.length === 0) continue
      process.stderr.write(report(needed, [...new Set(files)].map((file) => relative(config.root, file)).sort()))
    }
  }
}
