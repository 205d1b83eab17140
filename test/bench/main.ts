/** `npm run bench -- --help` */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as Os from "node:os"
import { program } from "../redis/program.js"
import { killAll } from "./measuredProcess.js"
import { defaults, help, type Options, parse, UsageError } from "./options.js"
import { type Plotted, svg } from "./plot.js"
import * as report from "./report.js"
import { sample } from "./sampling.js"
import { type Results, shown } from "./summary.js"
import type { Sample, Workload } from "./workload.js"

/** Descriptors that a process needs beside its connections. */
const spare = 64

const progress = (text: string): void => void process.stderr.write(text)

/** Node raises the soft limit to the hard one as it starts, here and in the servers. */
const descriptorLimit = (): number => {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit)
}

/** Every server in each round, the first of them another in each: what changes in time changes for all. */
const measure = async (workload: Workload, options: Options): Promise<Results> => {
  const contenders = workload.contenders.filter(({ name }) => options.server === undefined || options.server === name)
  const results = new Map<string, Array<Sample>>(contenders.map((contender) => [contender.name, []]))
  const rounds = workload.isExact === true ? 1 : (options.rounds ?? workload.defaults?.rounds ?? defaults.rounds)
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(round + i) % contenders.length]
      if (contender === undefined) continue
      progress(`${workload.name} ${round + 1}/${rounds} ${contender.name}: `)
      const taken = await sample(workload, contender, round + 1, options)
      results.get(contender.name)?.push(taken)
      const figures = workload.metrics.map(
        ({ digits, key, title }) => `${shown(taken[key] ?? Number.NaN, digits)} ${title}`
      )
      progress(`${figures.join(", ")}\n`)
    }
  }
  return results
}

/** Those that can be measured here; one that was asked for and cannot is an error. */
const possible = ({ areNamed, workloads }: Options): ReadonlyArray<Workload> => {
  const limit = descriptorLimit()
  for (const { descriptors, name } of workloads) {
    if (descriptors + spare <= limit) continue
    throw new Error(`${name} needs ${descriptors + spare} open files and ${limit} are allowed: raise \`ulimit -Hn\``)
  }
  const without = workloads.filter(({ needsRedis }) => needsRedis && program() === undefined)
  if (without.length === 0) return workloads
  const why = `no redis-server for ${without.map(({ name }) => name).join(", ")}: apt-get install redis-server, or brew install redis`
  if (areNamed) throw new Error(why)
  progress(`Left out: ${why}\n`)
  return workloads.filter((workload) => !without.includes(workload))
}

/** As a run of hours is read best: without the parts of a second. */
const duration = (millis: number): string => {
  const seconds = Math.round(millis / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

const run = async (options: Options): Promise<void> => {
  const startedAt = performance.now()
  const workloads = possible(options)
  const machine = `Node ${process.version}, ${Os.availableParallelism()} × ${Os.cpus()[0]?.model.trim()}`
  progress(`${machine}, load average ${Os.loadavg()[0]?.toFixed(2)}\n`)
  const all: Array<Plotted> = []
  for (const workload of workloads) {
    const results = await measure(workload, options)
    if (results.size === 0) continue
    all.push({ workload, results })
    const { modules } = workload
    process.stdout.write(options.json ? report.json(workload, results) : `\n${report.table(workload, results)}\n`)
    if (!options.modules || modules === undefined) continue
    for (const contender of results.keys()) process.stdout.write(`${await modules(contender)}\n`)
  }
  if (options.plot !== undefined) {
    const rounds = Math.max(...all.flatMap(({ results }) => [...results.values()].map(({ length }) => length)))
    const how = rounds === 1 ? "one sample each" : `medians of ${rounds}, from the least to the most`
    const day = new Date().toISOString().slice(0, 10)
    const about = `CPU and memory are the server's own · ${how}; ratios to the first · ${machine} · ${day}`
    writeFileSync(options.plot, svg(all, about))
  }
  progress(`It took ${duration(performance.now() - startedAt)}.\n`)
}

const main = async (): Promise<void> => {
  const options = parse(process.argv.slice(2))
  if (options === undefined) {
    process.stdout.write(help)
    return
  }
  if (!existsSync("/proc/self/stat")) throw new Error("CPU and memory are read from /proc: this runs on Linux only")
  await run(options)
}

process.on("exit", killAll)
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const) {
  process.on(signal, () => process.exit(code))
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`\nbench: ${message}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  }
)
