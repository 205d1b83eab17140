/** A copy of the tree to be mistaken in: the tree itself is never touched. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Fault, inject } from "./fault.js"

const notCopied: ReadonlySet<string> = new Set([".git", "node_modules", "dist"])

const copies = new Set<string>()

/** Links what is installed, one by one, so that what tools keep in `node_modules` stays in the copy. */
const linkModules = (root: string, copy: string): void => {
  const modules = join(root, "node_modules")
  mkdirSync(join(copy, "node_modules"))
  for (const name of readdirSync(modules)) {
    if (!name.startsWith(".") || name === ".bin") symlinkSync(join(modules, name), join(copy, "node_modules", name))
  }
}

export const make = (root: string): string => {
  const copy = mkdtempSync(join(tmpdir(), "holdfast-mutate-"))
  copies.add(copy)
  for (const name of readdirSync(root)) {
    if (!notCopied.has(name)) cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  linkModules(root, copy)
  return copy
}

export const remove = (copy: string): void => {
  rmSync(copy, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  copies.delete(copy)
}

export const removeAll = (): void => {
  for (const copy of copies) remove(copy)
}

/** Runs `use` while the fault is in the copy. */
export const withFault = async <A>(
  copy: string,
  fault: Pick<Fault, "file" | "find" | "replace" | "name" | "caughtBy">,
  use: () => Promise<A>
): Promise<A> => {
  const path = join(copy, fault.file)
  const source = readFileSync(path, "utf8")
  writeFileSync(path, inject(source, fault))
  try {
    return await use()
  } finally {
    writeFileSync(path, source)
  }
}
