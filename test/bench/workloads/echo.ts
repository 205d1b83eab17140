/** Small messages as fast as they go: what a message costs. */
import { openAll, pause, serverOf } from "../connections.js"
import type { Peer } from "../peer.js"
import { peers } from "../peers.js"
import type { Run, Sample, Workload } from "../workload.js"

const size = 64
const connections = 50
const inFlight = 8
const warmUp = 1500

/** The message of that number on that connection: no two are the same. */
const textOf = (connection: number, number: number): string => {
  const head = `${connection}/${number}/`
  return head + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123".slice(0, size - head.length)
}

const sample = async (peer: Peer, run: Run): Promise<Sample> => {
  const { fail, seconds } = run
  const server = serverOf(run)
  const sent = new Array<number>(connections).fill(0)
  const echoed = new Array<number>(connections).fill(0)
  let total = 0
  const links = await openAll(run, peer, connections, (text, index) => {
    const number = echoed[index] ?? 0
    const expected = textOf(index, number)
    if (text !== expected) return fail(new Error(`connection ${index} expected "${expected}" and received "${text}"`))
    echoed[index] = number + 1
    total++
    send(index)
  })
  const send = (index: number) => {
    const number = sent[index] ?? 0
    sent[index] = number + 1
    links[index]?.send(textOf(index, number))
  }
  for (let index = 0; index < connections; index++) {
    for (let i = 0; i < inFlight; i++) send(index)
    links[index]?.flush()
  }
  await pause(warmUp)

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
    serverBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    loadBusyPercent: ((after.load.user + after.load.system) / elapsed) * 100
  }
}

export const echo: Workload = {
  name: "echo",
  about: `${size} bytes there and back, ${connections} connections, ${inFlight} in flight on each`,
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  descriptors: connections,
  metrics: [
    { key: "messagesPerSecond", title: "messages/s", digits: 0, compared: true },
    { key: "cpuMicrosPerMessage", title: "CPU µs/message", digits: 2, compared: true },
    { key: "serverBusyPercent", title: "server busy %", digits: 0, compared: false },
    { key: "loadBusyPercent", title: "load busy %", digits: 0, compared: false }
  ],
  contenders: peers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
