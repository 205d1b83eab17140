/** What vite makes of a program for browsers, and of which modules. */
import { fileURLToPath } from "node:url"
import { build, type Plugin } from "vite"
import { aliasesOf } from "./sources.js"

export interface Bundle {
  readonly code: string
  /** What is left of each module, before it is minified. */
  readonly modules: ReadonlyArray<{ readonly id: string; readonly code: string }>
  /** Imports of Node's own modules, wherever they are, as `who imports what`. */
  readonly ofNode: ReadonlyArray<string>
}

/** What vite puts in the place of Node's modules. */
const replaced = "__vite-browser-external"

/** Looks at all modules that are reached, those that are left out in the end included. */
const collect = (ofNode: Array<string>): Plugin => ({
  name: "collect-imports-of-node",
  buildEnd() {
    for (const id of this.getModuleIds()) {
      if (!id.startsWith(replaced) && !id.startsWith("node:")) continue
      const { importers = [] } = this.getModuleInfo(id) ?? {}
      for (const importer of importers) ofNode.push(`${importer} imports ${id.slice(id.indexOf(":") + 1)}`)
    }
  }
})

export interface BundleOptions {
  readonly entry: URL
  /** Whether Holdfast is its sources, or what `npm run build` made of them. */
  readonly holdfast: "src" | "dist"
  readonly minify: boolean
}

export const bundle = async ({ entry, holdfast, minify }: BundleOptions): Promise<Bundle> => {
  const ofNode: Array<string> = []
  const result = await build({
    configFile: false,
    mode: "production",
    logLevel: "silent",
    resolve: { alias: aliasesOf(holdfast) },
    plugins: [collect(ofNode)],
    build: {
      write: false,
      target: "es2022",
      minify: minify ? "esbuild" : false,
      modulePreload: { polyfill: false },
      rollupOptions: {
        input: fileURLToPath(entry),
        preserveEntrySignatures: "strict",
        output: { format: "es", inlineDynamicImports: true }
      }
    }
  })
  const [output] = Array.isArray(result) ? result : [result]
  const chunk =
    output !== undefined && "output" in output ? output.output.find(({ type }) => type === "chunk") : undefined
  if (chunk?.type !== "chunk") throw new Error(`${entry} gave no chunk`)
  const modules = Object.entries(chunk.modules).map(([id, { code }]) => ({ id, code: code ?? "" }))
  return { code: chunk.code, modules, ofNode: [...ofNode, ...chunk.imports.map((id) => `the bundle imports ${id}`)] }
}
