/** Pages that tests open, built by vite. */
import { Effect } from "effect"
import { builtOnce } from "../support/builtOnce.js"
import { aliases } from "../support/sources.js"

const bundle = (root: string, outDir: string) =>
  Effect.promise(async () => {
    // By the one file that builds alone: it takes its time to load.
    const { build } = await import("vite")
    await build({
      configFile: false,
      root,
      logLevel: "warn",
      resolve: { alias: aliases },
      build: { outDir, emptyOutDir: true, target: "es2022", minify: false, modulePreload: false }
    })
  })

/** The folder with the page that is built of the `index.html` in `root`. */
export const built = (root: string): Effect.Effect<string> => builtOnce(root, (outDir) => bundle(root, outDir))
