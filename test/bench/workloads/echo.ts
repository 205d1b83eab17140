/** Small messages as fast as they go: what a message costs. */
import { createHistogram } from "node:perf_hooks"
import { openAll, pause, serverOf } from "../connections.js"
import type { Peer } from "../peer.js"
import { peers } from "../peers.js"
import type { Run, Sample, Workload } from "../workload.js"

interface Variant {
  readonly connections: number
  /** On each connection. */
  readonly inFlight: number
  /** Bytes of a message. */
  readonly size: number
  /** Milliseconds of load before the measurement. */
  readonly warmUp: number
}

const usual: Variant = { connections: 50, inFlight: 8, size: 64, warmUp: 1500 }

const filler = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/** The message of that number on that connection: no two are the same. */
const texts = (size: number) => {
  const tail = filler.repeat(Math.ceil(size / filler.length))
  return (connection: number, number: number): string => {
    const head = `${connection}/${number}/`
    return head + tail.slice(0, size - head.length)
  }
}

const sample = async (peer: Peer, { connections, inFlight, size, warmUp }: Variant, run: Run): Promise<Sample> => {
  const { fail, seconds } = run
  const server = serverOf(run)
  const textOf = texts(size)
  const sent = new Array<number>(connections).fill(0)
  const echoed = new Array<number>(connections).fill(0)
  /** When each of the messages in flight left, by its connection, and its number modulo `inFlight`. */
  const leftAt = new Float64Array(connections * inFlight)
  /** Of round trips, in microseconds. */
  const times = createHistogram()
  let total = 0
  const links = await openAll(run, peer, connections, (text, index) => {
    const number = echoed[index] ?? 0
    const expected = textOf(index, number)
    if (text !== expected) return fail(new Error(`connection ${index} expected "${expected}" and received "${text}"`))
    echoed[index] = number + 1
    total++
    const millis = performance.now() - (leftAt[index * inFlight + (number % inFlight)] ?? Number.NaN)
    times.record(Math.max(1, Math.round(millis * 1000)))
    send(index)
  })
  const send = (index: number) => {
    const number = sent[index] ?? 0
    sent[index] = number + 1
    leftAt[index * inFlight + (number % inFlight)] = performance.now()
    links[index]?.send(textOf(index, number))
  }
  for (let index = 0; index < connections; index++) {
    for (let i = 0; i < inFlight; i++) send(index)
    links[index]?.flush()
  }
  await pause(warmUp)

  times.reset()
  const before = { total, cpu: server.cpuMicros(), at: performance.now(), load: process.cpuUsage() }
  const last = [...echoed]
  await pause(seconds * 1000)
  const after = { total, cpu: server.cpuMicros(), at: performance.now(), load: process.cpuUsage(before.load) }

  const stuck = echoed.findIndex((number, index) => number === last[index])
  if (stuck >= 0) throw new Error(`connection ${stuck} heard no echo in ${seconds} s`)
  for (const link of links) link.destroy()
  const messages = after.total - before.total
  const elapsed = (after.at - before.at) * 1000
  return {
    messagesPerSecond: (messages / elapsed) * 1e6,
    cpuMicrosPerMessage: (after.cpu - before.cpu) / messages,
    roundTripMillis50: times.percentile(50) / 1000,
    roundTripMillis99: times.percentile(99) / 1000,
    serverBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    loadBusyPercent: ((after.load.user + after.load.system) / elapsed) * 100
  }
}

const workload = (name: string, changed: Partial<Variant>): Workload => {
  const variant = { ...usual, ...changed }
  const { connections, inFlight, size } = variant
  const count = (number: number) => number.toLocaleString("en")
  return {
    name,
    about: `${count(size)} bytes there and back, ${count(connections)} connections, ${inFlight} in flight on each`,
    behaviour: "echo",
    servers: 1,
    needsRedis: false,
    descriptors: connections,
    metrics: [
      { key: "messagesPerSecond", title: "messages/s", digits: 0, compared: true },
      { key: "cpuMicrosPerMessage", title: "CPU µs/message", digits: 2, compared: true },
      { key: "roundTripMillis50", title: "ms, median", digits: 2, compared: false },
      { key: "roundTripMillis99", title: "ms, 99%", digits: 2, compared: false },
      { key: "serverBusyPercent", title: "server busy %", digits: 0, compared: false },
      { key: "loadBusyPercent", title: "load busy %", digits: 0, compared: false }
    ],
    contenders: peers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, variant, run) }))
  }
}

export const echo = workload("echo", {})

/** Each changes one thing of it. */
export const variants: ReadonlyArray<Workload> = [
  workload("echo-1", { inFlight: 1 }),
  workload("echo-1k", { size: 1024 }),
  workload("echo-5000", { connections: 5000, warmUp: 3000 })
]
