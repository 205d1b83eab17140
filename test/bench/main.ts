/** `npm run bench -- --help` */
import { existsSync, readFileSync } from "node:fs"
import * as Os from "node:os"
import { pause } from "./connections.js"
import { help, type Options, parse, UsageError } from "./options.js"
import type { Peer } from "./peer.js"
import { peers } from "./peers.js"
import * as report from "./report.js"
import { killAll, ServerProcess } from "./serverProcess.js"
import type { Sample, Workload } from "./workload.js"

/** No sample takes as long as this: one that does is stuck. */
const patience = 45_000
/** Within this a server that was killed is known to be dead. */
const afterwards = 500
/** Descriptors that a process needs beside its connections. */
const spare = 64

const progress = (text: string): void => void process.stderr.write(text)

/** Node raises the soft limit to the hard one as it starts, here and in the servers. */
const descriptorLimit = (): number => {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit)
}

const sampleOnce = async (workload: Workload, peer: Peer, round: number, options: Options): Promise<Sample> => {
  const name = `${workload.name}-${peer.name}-${round}.cpuprofile`
  const profile = options.profile === undefined ? undefined : { directory: options.profile, name }
  const server = await ServerProcess.start({ peer: peer.name, behaviour: workload.behaviour, profile })
  let late: NodeJS.Timeout | undefined
  try {
    let fail: (why: Error) => void = () => {}
    const failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    late = setTimeout(() => fail(new Error(`no result in ${patience / 1000} s`)), patience)
    return await Promise.race([workload.sample({ peer, server, seconds: options.seconds, fail }), failed, server.died])
  } catch (error) {
    // A server that dies takes its connections along, and they are heard of first.
    await Promise.race([server.died, pause(afterwards)])
    throw error
  } finally {
    clearTimeout(late)
    await server.stop()
  }
}

/** Every server in each round, the first of them another in each: what changes in time changes for all. */
const measure = async (workload: Workload, options: Options): Promise<report.Results> => {
  const results = new Map<string, Array<Sample>>(peers.map((peer) => [peer.name, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[(round + i) % peers.length]
      if (peer === undefined) continue
      progress(`${workload.name} ${round + 1}/${options.rounds} ${peer.name}: `)
      const sample = await sampleOnce(workload, peer, round + 1, options)
      results.get(peer.name)?.push(sample)
      const figures = workload.metrics.map(({ digits, key, title }) => `${sample[key]?.toFixed(digits)} ${title}`)
      progress(`${figures.join(", ")}\n`)
    }
  }
  return results
}

const run = async (options: Options): Promise<void> => {
  const limit = descriptorLimit()
  for (const { descriptors, name } of options.workloads) {
    if (descriptors + spare <= limit) continue
    throw new Error(`${name} needs ${descriptors + spare} open files and ${limit} are allowed: raise \`ulimit -Hn\``)
  }
  const load = Os.loadavg()[0]?.toFixed(2)
  progress(`Node ${process.version}, ${Os.availableParallelism()} × ${Os.cpus()[0]?.model}, load average ${load}\n`)
  for (const workload of options.workloads) {
    const results = await measure(workload, options)
    process.stdout.write(options.json ? report.json(workload, results) : `\n${report.table(workload, results)}\n`)
  }
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
