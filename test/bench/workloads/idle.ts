/** Many connections that say nothing: what a connection weighs. */
import { openAll, pause, serverOf } from "../connections.js"
import type { Peer } from "../peer.js"
import { peers } from "../peers.js"
import type { Run, Sample, Workload } from "../workload.js"

const connections = 5000
/** Open before the first look, so that code and pools that are made once do not count. */
const warmUp = 200
const settle = 500

const sample = async (peer: Peer, run: Run): Promise<Sample> => {
  const { fail } = run
  const server = serverOf(run)
  const quiet = (text: string, index: number) => fail(new Error(`connection ${index} received "${text}" unasked`))
  const measure = async () => {
    await pause(settle)
    const heap = await server.collect()
    return { heap, resident: server.residentKilobytes() }
  }
  const early = await openAll(run, peer, warmUp, quiet)
  const before = await measure()
  const links = await openAll(run, peer, connections, quiet)
  const after = await measure()
  for (const link of [...early, ...links]) link.destroy()
  return {
    residentKilobytesPerConnection: (after.resident - before.resident) / connections,
    heapKilobytesPerConnection: (after.heap - before.heap) / 1024 / connections
  }
}

export const idle: Workload = {
  name: "idle",
  about: `${connections.toLocaleString("en")} connections that say nothing, after a garbage collection`,
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  descriptors: warmUp + connections,
  plotted: { key: "residentKilobytesPerConnection", caption: `${connections.toLocaleString("en")} silent connections` },
  metrics: [
    { key: "residentKilobytesPerConnection", title: "resident kB/connection", digits: 1, compared: true },
    { key: "heapKilobytesPerConnection", title: "of it JS heap", digits: 1, compared: true }
  ],
  contenders: peers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
