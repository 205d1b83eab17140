/** What a bundle is made of: its packages, and its largest modules. */
import { gzipSync } from "node:zlib"
import { transformWithEsbuild } from "vite"
import type { Bundle } from "../support/bundle.js"

const largest = 40

interface Module {
  readonly name: string
  readonly packageName: string
  /** Each by itself, so that their sum is not quite the bundle. */
  readonly minified: string
}

/** `effect/dist/esm/Stream.js` as `effect/Stream`; a module of this project by its path. */
const nameOf = (id: string): string => {
  const [path = id] = id.replace(/^\0+/, "").split("?")
  const inPackage = path.split("/node_modules/").at(-1) ?? path
  if (inPackage !== path) return inPackage.replace(/\/dist\/esm\//, "/").replace(/\.(m?js|ts)$/, "")
  return path.replace(/^.*\/(dist|src)\//, "holdfast/").replace(/^.*\/test\//, "test/")
}

const packageOf = (name: string): string => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name

const minified = async ({ code, id }: Bundle["modules"][number]): Promise<Module> => {
  const name = nameOf(id)
  const { code: smaller } = await transformWithEsbuild(code, "module.js", {
    minify: true,
    format: "esm",
    sourcemap: false
  })
  return { name, packageName: packageOf(name), minified: smaller }
}

const kilobytes = (text: string): string => (Buffer.byteLength(text) / 1000).toFixed(1).padStart(8)

export const listing = async ({ modules }: Bundle): Promise<string> => {
  const all = await Promise.all(modules.map(minified))
  const packages = [...new Set(all.map(({ packageName }) => packageName))]
    .map((name) => {
      const text = all.flatMap((one) => (one.packageName === name ? [one.minified] : [])).join("\n")
      return { name, text, count: all.filter(({ packageName }) => packageName === name).length }
    })
    .sort((a, b) => b.text.length - a.text.length)
  const gzipped = (text: string) => (gzipSync(text, { level: 9 }).length / 1000).toFixed(1).padStart(8)
  return [
    "  minified     gzip  package (modules)",
    ...packages.map(({ count, name, text }) => `  ${kilobytes(text)} ${gzipped(text)}  ${name} (${count})`),
    "",
    "  minified     gzip  module",
    ...all
      .sort((a, b) => b.minified.length - a.minified.length)
      .slice(0, largest)
      .map(({ minified, name }) => `  ${kilobytes(minified)} ${gzipped(minified)}  ${name}`),
    ""
  ].join("\n")
}
