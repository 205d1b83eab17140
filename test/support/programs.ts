/**
 * Programs that tests run as processes of their own, each bundled into one file: node starts that in a sixth of the time which
 * it takes to load a thousand modules through tsx.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Effect } from "effect"
import type { Plugin } from "esbuild"
import { builtOnce } from "./builtOnce.js"
import { entries } from "./sources.js"

/** What a module finds beside itself is beside its source. */
const beside: Plugin = {
  name: "beside",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[\\/](src|test|examples)[\\/].*\.ts$/ }, async ({ path }) => {
      if (path.includes("node_modules")) return undefined
      const source = await readFile(path, "utf8")
      return { loader: "ts", contents: source.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)) }
    })
  }
}

const file = "program.mjs"

const bundle = (source: string, folder: string) =>
  Effect.promise(async () => {
    // By the one file that builds alone: it takes its time to load.
    const { build } = await import("esbuild")
    await build({
      entryPoints: [source],
      outfile: join(folder, file),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      alias: Object.fromEntries(entries("src")),
      plugins: [beside],
      // What is CommonJS in it asks for node's own modules.
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      logLevel: "error"
    })
  })

/** What node runs, for the module at this URL. */
export const program = (source: URL): Effect.Effect<string> => {
  const path = fileURLToPath(source)
  return Effect.map(
    builtOnce(path, (folder) => bundle(path, folder)),
    (folder) => join(folder, file)
  )
}
