/** A server of two is lost: when its clients' sessions are usable again on the other one, and whose are not. */
import { Condition, joinAll } from "../cluster.js"
import { pause, serverOf } from "../connections.js"
import type { ClusterPeer, Member } from "../peer.js"
import { clusterPeers } from "../peers.js"
import type { Run, Sample, Workload } from "../workload.js"

const clients = 200
/** Publications that everybody misses. */
const missed = 5
/** Time to write down what the joining left to be written, in milliseconds. */
const settle = 1000
/** Within this of its resume a session that was said to go on must have what it missed, in milliseconds. */
const patience = 10_000

/** The numbers of one kind of message that a client receives: 0, 1, 2 … */
class Numbers {
  count = 0
  repeated = 0

  /** A smaller one than the next is one that it had; a larger one shows that some are lost. */
  receive(text: string): void {
    const number = Number(text)
    if (!(number <= this.count)) throw new Error(`"${text}" was received in place of ${this.count}`)
    if (number === this.count) this.count++
    else this.repeated++
  }
}

class Client {
  member: Member | undefined
  readonly has: Condition
  private readonly publications = new Numbers()
  private readonly echoes = new Numbers()
  private wanted = { publications: 0, echoes: 0 }

  constructor(readonly name: string) {
    const { echoes, publications } = this
    this.has = new Condition(() => publications.count >= this.wanted.publications && echoes.count >= this.wanted.echoes)
  }

  /** Messages that it was given more than once. */
  get repeated(): number {
    return this.publications.repeated + this.echoes.repeated
  }

  publication(text: string): void {
    this.publications.receive(text)
    this.has.check()
  }

  message(text: string): void {
    this.echoes.receive(text)
    this.has.check()
  }

  /** Until it has so many publications, and an echo of a message that is sent now. */
  async roundTrip(publications: number): Promise<void> {
    const number = this.echoes.count
    this.wanted = { publications, echoes: number + 1 }
    this.member?.send(`${number}`)
    this.member?.flush()
    await this.has.wait()
  }
}

const percentile = (times: ReadonlyArray<number>, share: number): number =>
  [...times].sort((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? Number.NaN

const sample = async (peer: ClusterPeer, run: Run, isKilled: boolean): Promise<Sample> => {
  const [first, second] = [serverOf(run, 0), serverOf(run, 1)]
  let isOver = false
  /** All on the first server, but for the last one, which publishes on the second. */
  const all = Array.from({ length: clients + 1 }, (_, index) => new Client(`client ${index}`))
  const members = await joinAll(peer, all.length, (index) => (index < clients ? first : second).port, {
    message: (text, index) => all[index]?.message(text),
    publication: (text, index) => all[index]?.publication(text),
    lost: (why, index) => {
      if (isOver && index < clients) return
      run.fail(new Error(`client ${index} was lost: ${why.message}`))
    }
  })
  for (const [index, member] of members.entries()) Object.assign(all[index] ?? {}, { member })
  const publisher = all[clients]
  if (publisher === undefined) throw new Error("nobody publishes")
  publisher.member?.publish("0")
  await Promise.all(all.map((client) => client.roundTrip(1)))
  await pause(settle)

  isOver = true
  const at = performance.now()
  if (isKilled) await first.kill()
  const gone = all.slice(0, clients)
  for (const { member } of gone) member?.destroy()
  for (let number = 1; number <= missed; number++) publisher.member?.publish(`${number}`)
  await publisher.roundTrip(1 + missed)
  const times: Array<number> = []
  const resume = async (client: Client): Promise<void> => {
    if (!(await client.member?.resume(second.port))) return
    await inTime(client.name, client.roundTrip(1 + missed))
    times.push(performance.now() - at)
  }
  isOver = false
  await Promise.all(gone.map(resume))
  for (const { member } of all) member?.destroy()
  return {
    resumeMillisMedian: percentile(times, 0.5),
    resumeMillis99: percentile(times, 0.99),
    lostPercent: (1 - times.length / clients) * 100,
    repeated: all.reduce((total, client) => total + client.repeated, 0)
  }
}

const inTime = (name: string, done: Promise<void>): Promise<void> => {
  let late: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    const why = new Error(`${name} was said to be resumed, and has not what it missed`)
    late = setTimeout(() => reject(why), patience)
  })
  return Promise.race([done, tooLate]).finally(() => clearTimeout(late))
}

const workload = (name: string, how: string, isKilled: boolean): Workload => ({
  name,
  about: `${clients} sessions go on at the other of two servers when ${how}; ${missed} publications were missed`,
  behaviour: "cluster",
  servers: 2,
  needsRedis: true,
  onlyNamed: true,
  descriptors: 2 * clients,
  metrics: [
    { key: "resumeMillisMedian", title: "ms, median", digits: 0, compared: true },
    { key: "resumeMillis99", title: "ms, 99%", digits: 0, compared: true },
    { key: "lostPercent", title: "sessions lost %", digits: 1, compared: false },
    { key: "repeated", title: "messages twice", digits: 0, compared: false }
  ],
  contenders: clusterPeers.map((peer) => ({ name: peer.name, sample: (run) => sample(peer, run, isKilled) }))
})

export const afterCut = workload("cluster-cut", "their connections are cut", false)
export const afterKill = workload("cluster-kill", "the one is killed", true)
