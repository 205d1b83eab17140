/** Samples to a table, or to lines of JSON. */
import { baselineOf, type Results, type Summary, shown, summarize } from "./summary.js"
import type { Metric, Workload } from "./workload.js"

/** What is compared with nothing has no range either: a table has to fit. */
const cells = ({ max, median, min, ratio }: Summary, { digits }: Metric): ReadonlyArray<string> => [
  shown(median, digits),
  ...(ratio === undefined
    ? []
    : [
        min === max || Number.isNaN(median) ? "" : `${shown(min, digits)}–${shown(max, digits)}`,
        Number.isNaN(ratio) ? "" : `×${shown(ratio, 2)}`
      ])
]

export const table = ({ about, metrics, name }: Workload, results: Results): string => {
  const titles = metrics.flatMap(({ compared, title }) => [
    title,
    ...(compared ? ["range", `to ${baselineOf(results)}`] : [])
  ])
  const rows = [...results.keys()].map((peer) => [
    peer,
    ...metrics.flatMap((metric) => cells(summarize(results, peer, metric), metric))
  ])
  // A range that no row has is not shown.
  const grid = [["", ...titles], ...rows].map((row) =>
    row.filter((_, column) => column === 0 || rows.some((other) => other[column] !== ""))
  )
  return `${name}: ${about}\n\n${layout(metrics.length > mostColumns ? transposed(grid) : grid)}`
}

/** More metrics than these have a line each, and the servers the columns. */
const mostColumns = 8

type Grid = ReadonlyArray<ReadonlyArray<string>>

const transposed = (grid: Grid): Grid => grid[0]?.map((_, column) => grid.map((row) => row[column] ?? "")) ?? []

const layout = (grid: Grid): string => {
  const widths = grid[0]?.map((_, column) => Math.max(...grid.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = grid.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
  )
  return lines.map((line) => `  ${line.trimEnd()}\n`).join("")
}

const rounded = (summary: Summary): Summary =>
  JSON.parse(JSON.stringify(summary), (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value))

export const json = (workload: Workload, results: Results): string =>
  [...results.entries()]
    .map(([peer, samples]) =>
      JSON.stringify({
        workload: workload.name,
        server: peer,
        baseline: baselineOf(results),
        rounds: samples.length,
        ...Object.fromEntries(workload.metrics.map((metric) => [metric.key, rounded(summarize(results, peer, metric))]))
      })
    )
    .map((line) => `${line}\n`)
    .join("")
