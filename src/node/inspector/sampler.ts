/** The memory of the inspector: a sample of the gateway each second for five minutes, and what each topic had in the last ten. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { wallTimeNow } from "../../connection/clocks.js"
import type { Gateway, Stats, TopicInfo } from "../../gateway/GatewaySession.js"
import type { Sample } from "./model.js"

const kept = 300
/** Seconds that a topic's rate is of. */
const span = 10

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

const sampleOf = (at: number, before: Stats, now: Stats): Sample => ({
  at,
  connections: now.connections,
  sessions: now.sessions,
  messagesIn: now.messagesIn - before.messagesIn,
  messagesOut: now.messagesOut - before.messagesOut,
  heartbeatsMissed: now.heartbeatsMissed - before.heartbeatsMissed,
  begun: now.begun - before.begun,
  resumed: now.resumed - before.resumed,
  reset: sum(now.reset) - sum(before.reset),
  ended: sum(now.ended) - sum(before.ended)
})

/** A topic's count of publications at each of the last seconds, oldest first. */
class TopicPast {
  private readonly counts: Array<number> = []

  /** In place: there may be a hundred thousand topics, and each is noted every second. */
  note(publications: number): void {
    const { counts } = this
    // Followed anew, it counts from the beginning again.
    if (publications < (counts.at(-1) ?? 0)) counts.length = 0
    else if (counts.length > span) counts.shift()
    counts.push(publications)
  }

  get rate(): number {
    const { counts } = this
    return counts.length < 2 ? 0 : ((counts.at(-1) ?? 0) - (counts[0] ?? 0)) / (counts.length - 1)
  }
}

export class Sampler {
  private samples: Array<Sample> = []
  private topics = new Map<string, TopicPast>()

  constructor(private last: Stats) {}

  note(at: number, stats: Stats, topics: ReadonlyArray<TopicInfo>): void {
    if (this.samples.length >= kept) this.samples.shift()
    this.samples.push(sampleOf(at, this.last, stats))
    this.last = stats
    const followed = new Map<string, TopicPast>()
    for (const { name, publications } of topics) {
      const past = this.topics.get(name) ?? new TopicPast()
      past.note(publications)
      followed.set(name, past)
    }
    this.topics = followed
  }

  after(at: number): ReadonlyArray<Sample> {
    return this.samples.filter((sample) => sample.at > at)
  }

  /** Publications a second. */
  rate(topic: string): number {
    return this.topics.get(topic)?.rate ?? 0
  }
}

/** Samples the gateway every second until the scope closes. */
export const make = (gateway: Gateway<never>): Effect.Effect<Sampler, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sampler = new Sampler(yield* gateway.stats)
    const sample = Effect.zipWith(Effect.zip(gateway.stats, gateway.topics), wallTimeNow, ([stats, topics], at) =>
      sampler.note(at, stats, topics)
    )
    // Spaced, not fixed: two samples at once to make up for a late one would show a second in which nothing happened.
    const everySecond = Effect.delay(Effect.repeat(sample, Schedule.spaced("1 second")), "1 second")
    yield* Effect.forkScoped(everySecond)
    return sampler
  })
