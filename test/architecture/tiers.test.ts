/** The linter holds the tiers of src/ARCHITECTURE.md: one violation of each kind is planted in a copy of the sources. */
import { execFile } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const root = fileURLToPath(new URL("../../", import.meta.url))
const biome = join(root, "node_modules/@biomejs/biome/bin/biome")

/** By the file that is planted, what is in it and the rule that refuses it. */
const violations: Readonly<Record<string, readonly [source: string, rule: string]>> = {
  "protocol/upward.ts": ['import "../connection/Options.js"', "noRestrictedImports"],
  "connection/upward.ts": ['import type {} from "../session/sessionMachine.js"', "noRestrictedImports"],
  "session/upward.ts": ['import "../topic/Topic.js"', "noRestrictedImports"],
  "topic/upward.ts": ['import "../gateway/Gateway.js"', "noRestrictedImports"],
  "client/sideways.ts": ['import "../gateway/Gateway.js"', "noRestrictedImports"],
  "gateway/sideways.ts": ['import "../client/Client.js"', "noRestrictedImports"],
  "gateway/topics/sideways.ts": ['import "../../client/Client.js"', "noRestrictedImports"],
  "session/face.ts": ['import "../index.js"', "noRestrictedImports"],
  "client/platform.ts": ['import "../node/NodeDialer.js"', "noRestrictedImports"],
  "connection/foreign.ts": ['import "ws"', "noRestrictedImports"],
  "gateway/builtIn.ts": ['import "node:fs"', "noNodejsModules"],
  "session/one.ts": ['import type { Two } from "./two.js"\nexport type One = Two | 1', "noImportCycles"],
  "session/two.ts": ['import type { One } from "./one.js"\nexport type Two = One | 2', "noImportCycles"]
}

interface Report {
  readonly diagnostics: ReadonlyArray<{ readonly category: string; readonly location: { readonly path: unknown } }>
}

/** What the linter says of each file of src in this folder: the names of its rules. */
const lint = (folder: string): Effect.Effect<ReadonlyMap<string, ReadonlyArray<string>>> =>
  Effect.async<string>((resume) => {
    const args = ["lint", "--config-path=.biome.json", "--reporter=json", "--max-diagnostics=none", "src"]
    execFile(process.execPath, [biome, ...args], { cwd: folder }, (_, stdout) => resume(Effect.succeed(stdout)))
  }).pipe(
    Effect.map((stdout) => {
      const { diagnostics } = JSON.parse(stdout) as Report
      const said = new Map<string, ReadonlyArray<string>>()
      for (const { category, location } of diagnostics) {
        const file = /src[\\/][^"]*\.ts/.exec(JSON.stringify(location.path))?.[0].slice("src/".length) ?? "?"
        said.set(file, [...(said.get(file) ?? []), category.slice(category.lastIndexOf("/") + 1)])
      }
      return said
    })
  )

const copied = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-tiers-"))
    for (const name of ["src", ".biome.json", "package.json"])
      cpSync(join(root, name), join(folder, name), { recursive: true })
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

describe("The linter", () => {
  it.scopedLive("refuses an import that runs upward, between client and gateway, to a platform, or in a circle", () =>
    Effect.gen(function* () {
      const folder = yield* copied
      assert.deepStrictEqual([...(yield* lint(folder)).keys()], [])
      for (const [file, [source]] of Object.entries(violations)) writeFileSync(join(folder, "src", file), `${source}\n`)
      const said = yield* lint(folder)
      for (const [file, [, rule]] of Object.entries(violations)) assert.include(said.get(file) ?? [], rule, file)
    })
  )
})
