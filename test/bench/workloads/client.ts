/** The other end: what a message costs a client. */
import { ClientProcess } from "../clientProcess.js"
import { pause, serverOf } from "../connections.js"
import type { Run, Sample, Workload } from "../workload.js"

const warmUp = 1500

const sample = async (peer: string, run: Run): Promise<Sample> => {
  const { port } = serverOf(run)
  const clients = await run.start((profile) => ClientProcess.start({ peer, port, profile }))
  await pause(warmUp)
  const look = async () => ({
    messages: await clients.messages(),
    cpu: clients.cpuMicros(),
    server: serverOf(run).cpuMicros(),
    at: performance.now()
  })
  const before = await look()
  await pause(run.seconds * 1000)
  const after = await look()
  const messages = after.messages - before.messages
  if (messages === 0) throw new Error(`no message came back in ${run.seconds} s`)
  const elapsed = (after.at - before.at) * 1000
  return {
    messagesPerSecond: (messages / elapsed) * 1e6,
    cpuMicrosPerMessage: (after.cpu - before.cpu) / messages,
    clientsBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    serverBusyPercent: ((after.server - before.server) / elapsed) * 100
  }
}

export const client: Workload = {
  name: "client",
  about: "the process of 50 clients, each with its own kind of server: 64 bytes there and back, 8 in flight on each",
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  descriptors: 50,
  plotted: { key: "cpuMicrosPerMessage", caption: "a process of 50 clients, 64 bytes, 8 in flight on each" },
  metrics: [
    { key: "messagesPerSecond", title: "messages/s", digits: 0, compared: true },
    { key: "cpuMicrosPerMessage", title: "client CPU µs/message", digits: 2, compared: true },
    { key: "clientsBusyPercent", title: "clients busy %", digits: 0, compared: false },
    { key: "serverBusyPercent", title: "server busy %", digits: 0, compared: false }
  ],
  contenders: ["ws", "socket.io", "holdfast"].map((name) => ({ name, sample: (run) => sample(name, run) }))
}
