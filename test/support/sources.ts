/** The entry points: what the tests import, and what the pages and programs they start are built of. */
import { fileURLToPath } from "node:url"

/** The names by which Holdfast is imported, each with its file: of the sources, or of what `npm run build` made of them. */
export const entries = (folder: "src" | "dist"): ReadonlyArray<readonly [name: string, file: string]> =>
  ["", "browser", "node", "promise", "redis", "testing"].map((entry) => {
    const file = `${entry === "" ? "" : `${entry}/`}index.${folder === "src" ? "ts" : "js"}`
    return [
      entry === "" ? "holdfast" : `holdfast/${entry}`,
      fileURLToPath(new URL(`../../${folder}/${file}`, import.meta.url))
    ]
  })

/** They and nothing that begins like them, for vite. */
export const aliasesOf = (folder: "src" | "dist") =>
  entries(folder).map(([name, replacement]) => ({ find: new RegExp(`^${name}$`), replacement }))

export const aliases = aliasesOf("src")
