/** A build of a page that may be served meanwhile: at no moment is one of its files missing, or half written without need. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Plugin } from "vite"

const assets = "assets"

const isThere = (file: string, source: string | Uint8Array): boolean =>
  existsSync(file) && readFileSync(file).equals(Buffer.from(source))

/**
 * Goes with `emptyOutDir: false`. What is there already, as it would be written, is left alone; the assets of an earlier build go
 * when the page names those of this one.
 */
export const whileServed = (): Plugin => {
  const built = new Set<string>()
  let folder = ""
  return {
    name: "while-served",
    enforce: "post",
    generateBundle: ({ dir = "." }, bundle) => {
      folder = dir
      for (const [name, output] of Object.entries(bundle)) {
        built.add(name)
        if (isThere(join(dir, name), output.type === "chunk" ? output.code : output.source)) delete bundle[name]
      }
    },
    closeBundle: () => {
      const path = join(folder, assets)
      if (!existsSync(path)) return
      for (const name of readdirSync(path))
        if (!built.has(`${assets}/${name}`)) rmSync(join(path, name), { force: true })
    }
  }
}
