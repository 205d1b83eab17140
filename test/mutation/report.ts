/** What became of the faults, as a table. */
import type { Finding } from "./catcher.js"
import type { Fault, Group } from "./fault.js"

export interface Result {
  readonly fault: Fault
  readonly tests: Finding
  readonly simulator: Finding | undefined
  readonly seconds: number
}

export const isCaught = ({ simulator, tests }: Result): boolean =>
  tests._tag === "Caught" || (tests._tag !== "Broken" && simulator?._tag === "Caught")

const said = (finding: Finding): string => {
  switch (finding._tag) {
    case "Caught":
      return finding.by
    case "Missed":
      return "SURVIVED"
    case "Broken":
      return `BROKEN: ${finding.why}`
  }
}

/** What each catcher says, one a line. */
export const lines = ({ simulator, tests }: Result): ReadonlyArray<string> => [
  ...(tests._tag === "Missed" && simulator?._tag === "Caught" ? [] : [said(tests)]),
  ...(simulator === undefined ? [] : [simulator._tag === "Missed" ? "simulator: nothing" : said(simulator)])
]

export const table = (groups: ReadonlyArray<Group>, results: ReadonlyArray<Result>): string => {
  const width = Math.max(...results.map(({ fault }) => fault.name.length))
  const rowsOf = (result: Result): ReadonlyArray<string> =>
    lines(result)
      .flatMap((line) => line.split("\n"))
      .map((line, at) => `  ${(at === 0 ? result.fault.name : "").padEnd(width)}  ${line}`)
  return groups
    .map(({ faults, title }) => {
      const rows = results.filter(({ fault }) => faults.includes(fault)).flatMap(rowsOf)
      return rows.length === 0 ? "" : `\n${title}\n\n${rows.join("\n")}\n`
    })
    .join("")
}

export const listed = (groups: ReadonlyArray<Group>): string =>
  groups
    .filter(({ faults }) => faults.length > 0)
    .map(({ faults, title }) => {
      const rows = faults.map(
        ({ caughtBy, file, name }) => `  ${name}\n      ${file}, caught by ${caughtBy.join(", ")}`
      )
      return `\n${title}\n\n${rows.join("\n")}\n`
    })
    .join("")
