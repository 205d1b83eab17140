/** Many sessions are cut at once and come back: what a resume costs, beside the opening of the same sessions. */
import { Condition } from "../cluster.js"
import { makeAll, serverOf } from "../connections.js"
import type { Member, SessionPeer } from "../peer.js"
import { sessionPeers } from "../peers.js"
import { untilQuiet } from "../quiet.js"
import type { ServerProcess } from "../serverProcess.js"
import type { Run, Sample, Workload } from "../workload.js"

const sessions = 5000
/** As many go the whole way before the measurement: the code of all of it is warm then. */
const warmUp = 1000

interface Cost {
  readonly seconds: number
  readonly cpuMicros: number
}

const costOf = async (server: ServerProcess, work: () => Promise<unknown>): Promise<Cost> => {
  const before = { cpu: server.cpuMicros(), at: performance.now() }
  await work()
  return { seconds: (performance.now() - before.at) / 1000, cpuMicros: server.cpuMicros() - before.cpu }
}

/** Sessions that share one fate. */
class Crowd {
  private members: ReadonlyArray<Member> = []
  private echoes = 0
  private readonly allEchoed: Condition

  constructor(
    private readonly peer: SessionPeer,
    private readonly count: number,
    private readonly run: Run
  ) {
    this.allEchoed = new Condition(() => this.echoes === count)
  }

  async open(): Promise<void> {
    const { peer, run } = this
    this.members = await makeAll(this.count, (index) =>
      peer.connect(serverOf(run).port, {
        message: (text) => {
          if (text !== `${index}`) run.fail(new Error(`session ${index} received "${text}"`))
          this.echoes++
          this.allEchoed.check()
        },
        lost: (why) => run.fail(new Error(`session ${index} was lost: ${why.message}`))
      })
    )
  }

  /** A message there and back on each: a session without any is no session to Socket.IO, and who was resumed must be heard. */
  async roundTrip(): Promise<void> {
    this.echoes = 0
    for (const [index, member] of this.members.entries()) {
      member.send(`${index}`)
      member.flush()
    }
    await this.allEchoed.wait()
  }

  cut(): void {
    for (const member of this.members) member.destroy()
  }

  async resume(): Promise<void> {
    const { port } = serverOf(this.run)
    await makeAll(this.count, async (index) => {
      if (!(await this.members[index]?.resume(port))) throw new Error(`session ${index} was not resumed`)
    })
  }
}

const sample = async (peer: SessionPeer, run: Run): Promise<Sample> => {
  const server = serverOf(run)
  const through = async (count: number) => {
    const crowd = new Crowd(peer, count, run)
    const opening = await costOf(server, () => crowd.open())
    await crowd.roundTrip()
    await untilQuiet(server)
    const cut = await costOf(server, async () => {
      crowd.cut()
      await untilQuiet(server)
    })
    const resuming = await costOf(server, () => crowd.resume())
    await crowd.roundTrip()
    crowd.cut()
    await untilQuiet(server)
    return { opening, cut, resuming }
  }
  await through(warmUp)
  const { cut, opening, resuming } = await through(sessions)
  return {
    secondsInAll: resuming.seconds,
    cpuMicrosPerResume: resuming.cpuMicros / sessions,
    cpuMicrosPerOpening: opening.cpuMicros / sessions,
    resumeToOpening: resuming.cpuMicros / opening.cpuMicros,
    cpuMicrosPerCut: cut.cpuMicros / sessions
  }
}

export const resume: Workload = {
  name: "resume",
  about: `${sessions.toLocaleString("en")} sessions, cut at once and resumed when the server is quiet again, 100 at a time: from the first reconnect until the last is told`,
  behaviour: "echo",
  servers: 1,
  needsRedis: false,
  descriptors: sessions,
  plotted: { key: "cpuMicrosPerResume", caption: `${sessions.toLocaleString("en")} sessions cut at once come back` },
  metrics: [
    { key: "secondsInAll", title: "s in all", digits: 2, compared: true },
    { key: "cpuMicrosPerResume", title: "CPU µs/resume", digits: 0, compared: true },
    { key: "cpuMicrosPerOpening", title: "CPU µs/opening", digits: 0, compared: false },
    { key: "resumeToOpening", title: "resume to opening ×", digits: 2, compared: false },
    { key: "cpuMicrosPerCut", title: "CPU µs/cut", digits: 0, compared: false }
  ],
  contenders: sessionPeers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run) }))
}
