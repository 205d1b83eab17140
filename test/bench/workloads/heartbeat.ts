/** Many connections that say nothing, at a short heartbeat: what a ping and its answer cost. */
import { openAll, pause, serverOf } from "../connections.js"
import type { Connect } from "../peer.js"
import * as holdfast from "../wires/holdfast.js"
import * as plain from "../wires/plain.js"
import * as socketIo from "../wires/socketIo.js"
import type { Contender, Run, Sample, Workload } from "../workload.js"

const connections = 5000
/** Several intervals: what is made at the first beat is made, and the code is warm. */
const settle = 2000
/** Ticks of 10 ms have to be few of what is counted. */
const leastSeconds = 5

const sample = async (name: string, connect: Connect, run: Run): Promise<Sample> => {
  const { fail, seconds } = run
  const server = serverOf(run)
  const links = await openAll(run, { name, connect }, connections, (text, index) =>
    fail(new Error(`connection ${index} received "${text}" unasked`))
  )
  await pause(settle)
  const before = { cpu: server.cpuMicros(), at: performance.now() }
  await pause(Math.max(leastSeconds, seconds) * 1000)
  const after = { cpu: server.cpuMicros(), at: performance.now() }
  for (const link of links) link.destroy()
  const percent = (after.cpu - before.cpu) / (after.at - before.at) / 10
  return { cpuPercent: percent, cpuMicrosPerHeartbeat: (percent * 1e4) / connections }
}

const contender = (name: string, connect: Connect, server = name): Contender => ({
  name,
  server,
  sample: (run) => sample(name, connect, run)
})

export const heartbeat: Workload = {
  name: "heartbeat",
  about: `${connections.toLocaleString("en")} connections, each pinged every second; holdfast-both: their clients ping as well`,
  behaviour: "heartbeat",
  servers: 1,
  needsRedis: false,
  descriptors: connections,
  plotted: { key: "cpuPercent", caption: `${connections.toLocaleString("en")} connections pinged every second` },
  metrics: [
    { key: "cpuPercent", title: "CPU % of a core", digits: 1, compared: true },
    { key: "cpuMicrosPerHeartbeat", title: "CPU µs/connection and second", digits: 1, compared: false }
  ],
  // Effect's server has no heartbeat.
  contenders: [
    contender("ws", plain.connect),
    contender("socket.io", socketIo.connect),
    contender("holdfast", holdfast.connect),
    contender("holdfast-both", holdfast.connectBeating, "holdfast")
  ]
}
