/** The entry points: what the tests import, and what the pages they open are built of. */
import { fileURLToPath } from "node:url"

const entries = ["", "browser", "node", "redis", "testing"]

/** Holdfast as its sources, or as what `npm run build` made of them. */
export const aliasesOf = (folder: "src" | "dist") =>
  entries.map((entry) => {
    const file = `${entry === "" ? "" : `${entry}/`}index.${folder === "src" ? "ts" : "js"}`
    return {
      find: new RegExp(`^holdfast${entry === "" ? "" : `/${entry}`}$`),
      replacement: fileURLToPath(new URL(`../../${folder}/${file}`, import.meta.url))
    }
  })

export const aliases = aliasesOf("src")
