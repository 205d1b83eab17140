/** Vitest's `globalSetup`: before the whole suite, or the quick part of it, how much there is and how long it takes. */
import type { TestProject } from "vitest/node"
import { all, find } from "./needed.js"

/** As measured on two cores, with nothing beside it. */
const durations: Readonly<Record<string, string>> = {
  "quick,real,thorough": "about 5 minutes",
  quick: "about a minute"
}

export default async ({ vitest }: TestProject): Promise<void> => {
  const duration =
    durations[
      vitest.projects
        .map(({ name }) => name)
        .sort()
        .join()
    ]
  // Somebody who names files knows what they are.
  const isNamed = process.argv.slice(2).some((argument) => argument !== "run" && !argument.startsWith("-"))
  if (duration === undefined || isNamed) return
  const files = await vitest.globTestSpecifications()
  const missing = all.filter((needed) => find(needed) === undefined).map(({ name }) => name)
  const without = missing.length === 0 ? "" : ` What needs ${missing.join(" and ")} is left out: not found.`
  process.stderr.write(
    `${files.length} test files: ${duration} on two quiet cores, longer where others work too; each is named when it is done.${without}\n`
  )
}
