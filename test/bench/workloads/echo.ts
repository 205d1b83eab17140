/** Small messages as fast as they go: what a message costs. */
import { pause, serverOf } from "../connections.js"
import { Echoes, type EchoesOptions } from "../echoes.js"
import type { Peer } from "../peer.js"
import { holdfastPeer, peers } from "../peers.js"
import type { Run, Sample, Workload } from "../workload.js"

interface Variant extends EchoesOptions {
  /** Milliseconds of load before the measurement. */
  readonly warmUp: number
}

const usual: Variant = { connections: 50, inFlight: 8, size: 64, warmUp: 1500 }

interface Besides {
  readonly name: string
  readonly server: string
  readonly behaviour: string
  readonly about: string
}

/** The handler that is nothing but an answer. Those of the other rows are an `Effect.gen`, as most are. */
const bySend = {
  name: "holdfast-send",
  server: "holdfast",
  behaviour: "echoBySend",
  about: "its handler is session.send"
}

/** The store is behind a Layer that passes on what it is asked. */
const byLayer = {
  name: "holdfast-layer",
  server: "holdfast",
  behaviour: "echoByLayer",
  about: "its store is behind another Layer"
}

const sample = async (peer: Peer, variant: Variant, run: Run): Promise<Sample> => {
  const { seconds } = run
  const server = serverOf(run)
  const echoes = await Echoes.open(run, peer, variant)
  const silence = echoes.heard()
  echoes.flood()
  await pause(variant.warmUp)
  await echoes.allHear(silence)

  const load = process.cpuUsage()
  const look = () => ({ messages: echoes.total, cpu: server.cpuMicros(), at: performance.now() })
  echoes.forgetTimes()
  const last = echoes.heard()
  const before = look()
  await pause(seconds * 1000)
  const after = look()
  const { system, user } = process.cpuUsage(load)

  const roundTrips = [50, 99].map((percent) => echoes.roundTrip(percent))

  await echoes.allHear(last)
  echoes.destroy()
  const messages = after.messages - before.messages
  const elapsed = (after.at - before.at) * 1000
  return {
    messagesPerSecond: (messages / elapsed) * 1e6,
    cpuMicrosPerMessage: (after.cpu - before.cpu) / messages,
    roundTripMillis50: roundTrips[0] ?? Number.NaN,
    roundTripMillis99: roundTrips[1] ?? Number.NaN,
    serverBusyPercent: ((after.cpu - before.cpu) / elapsed) * 100,
    loadBusyPercent: ((user + system) / elapsed) * 100
  }
}

const workload = (name: string, changed: Partial<Variant>, besides: ReadonlyArray<Besides> = []): Workload => {
  const variant = { ...usual, ...changed }
  const { connections, inFlight, size } = variant
  const count = (number: number) => number.toLocaleString("en")
  return {
    name,
    about: `${count(size)} bytes there and back, ${count(connections)} connections, ${inFlight} in flight on each${besides.map(({ about, name }) => `; ${name}: ${about}`).join("")}`,
    behaviour: "echo",
    servers: 1,
    needsRedis: false,
    descriptors: connections,
    plotted: {
      key: "cpuMicrosPerMessage",
      caption: `${count(size)} bytes, ${count(connections)} connections, ${inFlight} in flight on each`
    },
    metrics: [
      { key: "messagesPerSecond", title: "messages/s", digits: 0, compared: true },
      { key: "cpuMicrosPerMessage", title: "CPU µs/message", digits: 2, compared: true },
      { key: "roundTripMillis50", title: "ms, median", digits: 2, compared: false },
      { key: "roundTripMillis99", title: "ms, 99%", digits: 2, compared: false },
      { key: "serverBusyPercent", title: "server busy %", digits: 0, compared: false },
      { key: "loadBusyPercent", title: "load busy %", digits: 0, compared: false }
    ],
    contenders: [
      ...peers.map((peer) => ({ name: peer.name, sample: (run: Run) => sample(peer, variant, run) })),
      ...besides.map(({ behaviour, name, server }) => ({
        name,
        server,
        behaviour,
        sample: (run: Run) => sample(holdfastPeer, variant, run)
      }))
    ]
  }
}

export const echo = workload("echo", {}, [bySend, byLayer])

/** Each changes one thing of it. */
export const variants: ReadonlyArray<Workload> = [
  workload("echo-1", { inFlight: 1 }, [bySend]),
  workload("echo-1k", { size: 1024 }),
  workload("large", { size: 256 * 1024, inFlight: 1 }),
  workload("echo-5000", { connections: 5000, warmUp: 2000 })
]
