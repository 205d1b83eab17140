/** Connections as they are opened: what one costs until messages can be sent. */
import { openAll, serverOf } from "../connections.js"
import type { Peer } from "../peer.js"
import { peers } from "../peers.js"
import { untilQuiet } from "../quiet.js"
import type { Run, Sample, Workload } from "../workload.js"

/** Opened and cut before the measurement: the code of both is warm then. */
const warmUp = 2000
const connections = 4000

const sample = async (peer: Peer, run: Run): Promise<Sample> => {
  const { fail } = run
  const server = serverOf(run)
  const quiet = (text: string, index: number) => fail(new Error(`connection ${index} received "${text}" unasked`))
  for (const link of await openAll(run, peer, warmUp, quiet)) link.destroy()
  await untilQuiet(server)
  const before = { cpu: server.cpuMicros(), at: performance.now() }
  const links = await openAll(run, peer, connections, quiet)
  const after = { cpu: server.cpuMicros(), at: performance.now() }
  for (const link of links) link.destroy()
  return {
    connectionsPerSecond: (connections / (after.at - before.at)) * 1000,
    cpuMicrosPerConnection: (after.cpu - before.cpu) / connections
  }
}

const count = (number: number): string => number.toLocaleString("en")

export const accept: Workload = {
  name: "accept",
  about: `${count(connections)} connections opened, 100 at a time, until each can send; ${count(warmUp)} were opened and cut before`,
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  descriptors: connections,
  plotted: { key: "cpuMicrosPerConnection", caption: "opening a connection, until it can send" },
  metrics: [
    { key: "connectionsPerSecond", title: "connections/s", digits: 0, compared: true },
    { key: "cpuMicrosPerConnection", title: "CPU µs/connection", digits: 0, compared: true }
  ],
  contenders: peers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
