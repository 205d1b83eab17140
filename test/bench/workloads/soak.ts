/** Half of full load for long: whether memory stays, and how late anything ever is. */
import { pause, serverOf } from "../connections.js"
import { Echoes, type EchoesOptions } from "../echoes.js"
import { Pacer } from "../pacer.js"
import type { Peer } from "../peer.js"
import { peers } from "../peers.js"
import { untilQuiet } from "../quiet.js"
import type { ServerProcess } from "../serverProcess.js"
import { type Slope, slopeOf } from "../slope.js"
import type { Run, Sample, Workload } from "../workload.js"

/** What a stall may leave in flight on each connection is less than Holdfast's window. */
const load: EchoesOptions = { connections: 50, size: 64, inFlight: 512 }
/** At full load, as in `echo`. */
const inFlight = 8
/** Of full load. */
const share = 0.5
const warmUp = 2000
const fullLoad = 5000
/** Between two looks at the memory, and the least number of them. */
const lookEvery = 15_000
const leastLooks = 20

interface Look {
  readonly minutes: number
  /** Kilobytes: as it was, and after a collection; of that, the JS heap. */
  readonly swollen: number
  readonly resident: number
  readonly heap: number
}

/** Messages a second that go there and back when as many as may be are in flight. */
const fullRate = async (echoes: Echoes): Promise<number> => {
  echoes.flood(inFlight)
  await pause(warmUp)
  const before = { messages: echoes.total, at: performance.now() }
  await pause(fullLoad)
  const rate = ((echoes.total - before.messages) / (performance.now() - before.at)) * 1000
  echoes.onEcho = () => {}
  return rate
}

/**
 * The server's memory through so many seconds. What is there between collections is V8's choice, and comes and goes over minutes;
 * what stays is there after one.
 */
const memoryThrough = async (server: ServerProcess, seconds: number): Promise<ReadonlyArray<Look>> => {
  const start = performance.now()
  const every = Math.min(lookEvery, (seconds * 1000) / leastLooks)
  const looks: Array<Look> = []
  for (;;) {
    const elapsed = performance.now() - start
    const swollen = server.residentKilobytes()
    const heap = (await server.collectOnce()) / 1024
    looks.push({ minutes: elapsed / 60_000, swollen, resident: server.residentKilobytes(), heap })
    if (elapsed >= seconds * 1000) return looks
    await pause(every)
  }
}

/** After the first fifth. */
const slopeThrough = (looks: ReadonlyArray<Look>, of: (look: Look) => number): Slope =>
  slopeOf(looks.slice(Math.floor(looks.length / 5)).map((look) => ({ x: look.minutes, y: of(look) })))

const sample = async (peer: Peer, run: Run): Promise<Sample> => {
  const { fail, seconds } = run
  const server = serverOf(run)
  const echoes = await Echoes.open(run, peer, load)
  const full = await fullRate(echoes)
  await untilQuiet(server)
  const heapBefore = await server.collect()

  const pacer = new Pacer(echoes, full * share, fail)
  await pause(warmUp)
  echoes.forgetTimes()
  await server.watchDelay()
  const before = { messages: echoes.total, cpu: server.cpuMicros(), at: performance.now() }
  const looks = await memoryThrough(server, seconds)
  const after = { messages: echoes.total, cpu: server.cpuMicros(), at: performance.now() }
  const delay = await server.delay()
  pacer.stop()
  const roundTrips = [50, 99, 100].map((percent) => echoes.roundTrip(percent))

  await untilQuiet(server)
  const heapAfter = await server.collect()
  echoes.destroy()
  const millis = after.at - before.at
  const resident = slopeThrough(looks, (look) => look.resident)
  const heap = slopeThrough(looks, (look) => look.heap)
  return {
    fullMessagesPerSecond: full,
    messagesPerSecond: ((after.messages - before.messages) / millis) * 1000,
    serverBusyPercent: (after.cpu - before.cpu) / millis / 10,
    residentStartMegabytes: (looks[0]?.resident ?? Number.NaN) / 1024,
    residentEndMegabytes: (looks.at(-1)?.resident ?? Number.NaN) / 1024,
    residentSlope: resident.slope,
    residentSlopeError: resident.error,
    residentMostMegabytes: Math.max(...looks.map(({ swollen }) => swollen)) / 1024,
    heapSlope: heap.slope,
    heapSlopeError: heap.error,
    heapStartMegabytes: heapBefore / 1024 ** 2,
    heapEndMegabytes: heapAfter / 1024 ** 2,
    roundTripMillis50: roundTrips[0] ?? Number.NaN,
    roundTripMillis99: roundTrips[1] ?? Number.NaN,
    roundTripMillisMax: roundTrips[2] ?? Number.NaN,
    loopDelayMillis50: delay.median,
    loopDelayMillis99: delay.most,
    loopDelayMillisMax: delay.max
  }
}

const figure = (key: string, title: string, digits: number) => ({ key, title, digits, compared: false })

export const soak: Workload = {
  name: "soak",
  about: `${load.size} bytes there and back on ${load.connections} connections, at half of the server's own full load, as the clock says`,
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  onlyNamed: true,
  defaults: { rounds: 1, seconds: 600 },
  descriptors: load.connections,
  metrics: [
    figure("fullMessagesPerSecond", "full load, messages/s", 0),
    figure("messagesPerSecond", "messages/s", 0),
    figure("serverBusyPercent", "server busy %", 0),
    figure("residentStartMegabytes", "resident MB after a collection, at the start", 1),
    figure("residentEndMegabytes", "at the end", 1),
    figure("residentSlope", "its slope, kB/minute, after the first fifth", 1),
    figure("residentSlopeError", "standard error of the slope", 1),
    figure("residentMostMegabytes", "the most that was resident before one", 1),
    figure("heapSlope", "slope of the JS heap after a collection, kB/minute", 1),
    figure("heapSlopeError", "standard error of that", 1),
    figure("heapStartMegabytes", "JS heap MB before the load", 2),
    figure("heapEndMegabytes", "after it", 2),
    figure("roundTripMillis50", "ms there and back, median", 2),
    figure("roundTripMillis99", "99%", 2),
    figure("roundTripMillisMax", "longest", 2),
    figure("loopDelayMillis50", "ms the server's event loop is late, median", 2),
    figure("loopDelayMillis99", "99%", 2),
    figure("loopDelayMillisMax", "longest", 2)
  ],
  contenders: peers
    .filter(({ name }) => name === "ws" || name === "holdfast")
    .map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
