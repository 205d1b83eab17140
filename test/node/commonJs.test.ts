/** A program that is bundled to CommonJS, where there is no `import.meta.url`, loads every entry point. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { build } from "esbuild"
import { aliasesOf } from "../support/sources.js"

const entries = aliasesOf("src").map(({ replacement }) => replacement)

const program = `${entries.map((entry, i) => `import * as e${i} from ${JSON.stringify(entry)}`).join("\n")}
console.log([${entries.map((_, i) => `Object.keys(e${i}).length > 0`).join(", ")}].every(Boolean) ? "loaded" : "empty")`

describe("a bundle in CommonJS", () => {
  it.scopedLive("loads every entry point", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "holdfast-"))),
        (made) => Effect.promise(() => rm(made, { recursive: true }))
      )
      const output = join(folder, "program.cjs")
      yield* Effect.promise(async () => {
        const { outputFiles } = await build({
          stdin: { contents: program, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
          bundle: true,
          platform: "node",
          format: "cjs",
          write: false,
          logLevel: "silent"
        })
        await writeFile(output, outputFiles[0]?.contents ?? "")
      })
      const said = yield* Effect.async<string>((resume) => {
        execFile(process.execPath, [output], (error, stdout, stderr) =>
          resume(Effect.succeed(error === null ? stdout : stderr))
        )
      })
      assert.strictEqual(said.trim(), "loaded")
    })
  )
})
