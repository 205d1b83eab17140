/** What the samples of a workload come to. */
import type { Metric, Sample } from "./workload.js"

/** The samples of a workload, by server. */
export type Results = ReadonlyMap<string, ReadonlyArray<Sample>>

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  /** The median's, to the baseline's. */
  readonly ratio: number | undefined
}

const medianOf = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
}

/** What the others are compared with. */
export const baselineOf = (results: Results): string => [...results.keys()][0] ?? ""

export const summarize = (results: Results, peer: string, { compared, key }: Metric): Summary => {
  const valuesOf = (name: string) =>
    (results.get(name) ?? []).map((sample) => sample[key] ?? Number.NaN).filter((value) => !Number.isNaN(value))
  const values = valuesOf(peer)
  const median = medianOf(values)
  return {
    median,
    min: Math.min(...values),
    max: Math.max(...values),
    ratio: compared ? median / medianOf(valuesOf(baselineOf(results))) : undefined
  }
}

export const shown = (value: number, digits: number): string =>
  Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
