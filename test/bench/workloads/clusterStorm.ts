/** A gateway of two is killed: when all of its real clients are ready at the other one, and what each costs that. */
import { pause, serverOf } from "../connections.js"
import { MeasuredProcess } from "../measuredProcess.js"
import type { Run, Sample, Workload } from "../workload.js"

const sessions = 3000
/** Time to write down what the opening left to be written, in milliseconds. */
const settle = 2000
/** The longest backoffs of two attempts that fail, and a slow machine. */
const patience = 60_000

interface Back {
  /** Milliseconds after the kill at which half of them, 99% and all were ready. */
  readonly half: number
  readonly most: number
  readonly all: number
  readonly resumed: number
}

class Stormed extends MeasuredProcess {
  static async start(ports: ReadonlyArray<number>): Promise<Stormed> {
    const args = [sessions, ...ports].map(String)
    const clients = new Stormed({ script: "clients/storm.mjs", args, profile: undefined })
    await clients.answer("did not connect", patience)
    return clients
  }

  async storm(): Promise<void> {
    await this.ask("storm")
  }

  back(): Promise<Back> {
    return this.ask<Back>("back", patience)
  }
}

const sample = async (run: Run): Promise<Sample> => {
  const [first, second] = [serverOf(run, 0), serverOf(run, 1)]
  const clients = await run.start(() => Stormed.start([first.port, second.port]))
  await pause(settle)
  const before = second.cpuMicros()
  await clients.storm()
  await first.kill()
  const { all, half, most, resumed } = await clients.back()
  return {
    readySeconds50: half / 1000,
    readySeconds99: most / 1000,
    readySeconds100: all / 1000,
    cpuMillisPerSession: (second.cpuMicros() - before) / sessions / 1000,
    lostPercent: (1 - resumed / sessions) * 100
  }
}

export const clusterStorm: Workload = {
  name: "cluster-storm",
  about: `one of two gateways is killed with ${sessions.toLocaleString("en")} sessions, whose real clients come back to the other`,
  behaviour: "cluster",
  servers: 2,
  needsRedis: true,
  onlyNamed: true,
  descriptors: 2 * sessions,
  metrics: [
    { key: "readySeconds50", title: "s, half ready", digits: 1, compared: false },
    { key: "readySeconds99", title: "s, 99%", digits: 1, compared: false },
    { key: "readySeconds100", title: "s, all", digits: 1, compared: false },
    { key: "cpuMillisPerSession", title: "gateway CPU ms/session", digits: 2, compared: false },
    { key: "lostPercent", title: "sessions lost %", digits: 1, compared: false }
  ],
  contenders: [{ name: "holdfast-redis", sample }]
}
