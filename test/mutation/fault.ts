/** A deliberate mistake in the source, and what must notice it. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface Fault {
  /** What the mistaken source does. */
  readonly name: string
  /** Where, from the root of the repository. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Test files that are run until a test of one of them fails, in this order. */
  readonly caughtBy: ReadonlyArray<string>
  /** Whether the simulator looks for it as well. */
  readonly simulate?: boolean
}

/** Faults of one mechanism. */
export interface Group {
  readonly title: string
  readonly faults: ReadonlyArray<Fault>
}

export class OutOfDate extends Error {
  constructor(flaws: ReadonlyArray<string>) {
    super(`the fault list is out of date:\n${flaws.map((flaw) => `  ${flaw}`).join("\n")}`)
  }
}

const occurrences = (text: string, part: string): number => text.split(part).length - 1

const flawsOf = (root: string, { caughtBy, file, find, name, replace }: Fault): ReadonlyArray<string> => {
  const missing = caughtBy.filter((test) => !existsSync(join(root, test)))
  const flaws = missing.map((test) => `"${name}": there is no ${test}`)
  if (caughtBy.length === 0) flaws.push(`"${name}": no test file is named that could catch it`)
  if (find === replace) flaws.push(`"${name}": changes nothing`)
  if (!existsSync(join(root, file))) return [...flaws, `"${name}": there is no ${file}`]
  const found = occurrences(readFileSync(join(root, file), "utf8"), find)
  if (found !== 1) flaws.push(`"${name}": its text occurs ${found} times in ${file}, not once`)
  return flaws
}

/** Throws `OutOfDate` unless every fault fits the tree. */
export const check = (root: string, faults: ReadonlyArray<Fault>): void => {
  const names = faults.map(({ name }) => name)
  const repeated = names.filter((name, at) => names.indexOf(name) !== at).map((name) => `"${name}": is there twice`)
  const flaws = [...repeated, ...faults.flatMap((fault) => flawsOf(root, fault))]
  if (flaws.length > 0) throw new OutOfDate(flaws)
}

/** The source with the fault in it. */
export const inject = (source: string, { find, replace }: Fault): string => source.replace(find, () => replace)
