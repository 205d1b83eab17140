/** The followers of a broker's topics: one for each topic that somebody listens to here. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Outage, serviceRetry } from "../../../connection/outage.js"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import type { Position } from "../../../protocol/Protocol.js"
import type { Listener } from "../../../topic/Broker.js"
import { topicKeys } from "./logLua.js"
import * as memberScripts from "./memberScripts.js"
import { type StreamLog, unavailable } from "./streamLog.js"
import { type Ear, type Place, TopicFollower } from "./topicFollower.js"

export interface FollowTerms {
  /** Milliseconds that `subscribe` may take. */
  readonly timeout: number
  /** Milliseconds between two questions whether a quiet follower has missed something. */
  readonly checkInterval: number
}

interface Open {
  readonly topic: string
  readonly follower: TopicFollower
  /** Completed when the channel is heard. */
  readonly heard: Deferred.Deferred<void>
  readonly close: Effect.Effect<void>
}

/** Logs that are read at a time: after an outage all of them have to be. */
const readAtOnce = 200

/** Milliseconds between two rounds in which the memberships that are over are told. */
const sweepInterval = 1000

/** Every so often, by chance a little earlier or later: many brokers do not do it together. */
export const jittered = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(Random.nextRange(0.75 * millis, 1.25 * millis), (delay) => Effect.sleep(delay))

export class TopicFollowers {
  private readonly open = new Map<string, Open>()
  private readonly reads = Effect.unsafeMakeSemaphore(readAtOnce)
  private readonly outage = new Outage()

  constructor(
    private readonly log: StreamLog,
    private readonly terms: FollowTerms,
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  subscribe(topic: string, listener: Listener): Effect.Effect<Position, BrokerUnavailable, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function* () {
        const ear: Ear = { listener, from: { epoch: "", offset: 0 } }
        const open = this.use(topic)
        const entered = Effect.zipRight(Deferred.await(open.heard), open.follower.enter(ear, this.log.end(topic)))
        const leave = this.release(open, ear)
        yield* Effect.onError(restore(this.inTime(topic, entered)), () => leave)
        yield* Effect.addFinalizer(() => leave)
        return ear.from
      })
    )
  }

  private inTime<A>(topic: string, effect: Effect.Effect<A, BrokerUnavailable>): Effect.Effect<A, BrokerUnavailable> {
    const { timeout } = this.terms
    return Effect.timeoutFail(effect, {
      duration: timeout,
      onTimeout: () => unavailable(new Error(`${topic.slice(0, 300)} could not be listened to within ${timeout} ms`))
    })
  }

  /** Finds and counts in one step: it cannot be closed, or be made by another, in between. */
  private use(topic: string): Open {
    const open = this.open.get(topic) ?? this.make(topic)
    open.follower.users++
    return open
  }

  private make(topic: string): Open {
    const { connection } = this.log
    const patiently = Schedule.jittered(serviceRetry)
    const read = (since: Place | undefined, limit: number) => {
      const once = this.reads.withPermits(1)(this.log.read(topic, since?.position, limit, since?.at))
      return this.outage.retry(once, "BrokerUnavailable", patiently)
    }
    const follower = new TopicFollower(read, this.fork)
    const heard = Deferred.unsafeMake<void>(FiberId.none)
    const listen = connection.listen(topicKeys(connection.prefix, topic).channel, follower)
    const listening = this.fork(
      Effect.scoped(Effect.zipRight(Effect.zipRight(listen, Deferred.succeed(heard, undefined)), Effect.never))
    )
    const open = { topic, follower, heard, close: Effect.zipRight(Fiber.interrupt(listening), follower.close) }
    this.open.set(topic, open)
    return open
  }

  private release(open: Open, ear: Ear): Effect.Effect<void> {
    return Effect.suspend(() => {
      open.follower.ears.delete(ear)
      if (--open.follower.users > 0) return Effect.void
      this.open.delete(open.topic)
      return open.close
    })
  }

  /** Now and then looks whether quiet followers have missed something. */
  get checking(): Effect.Effect<never> {
    const round = Effect.sync(() => {
      for (const { follower } of this.open.values()) {
        if (follower.isQuiet) follower.fill()
        follower.isQuiet = true
      }
    })
    return Effect.forever(Effect.zipRight(jittered(this.terms.checkInterval), round))
  }

  /** Tells in time of memberships that are over. */
  get sweeping(): Effect.Effect<never> {
    const round = Effect.flatMap(Effect.timed(this.sweep), ([took]) =>
      // Redis has other things to do for nine tenths of the time, however many topics there are.
      Effect.sleep(Duration.times(took, 9))
    )
    return Effect.forever(Effect.zipRight(jittered(sweepInterval), round))
  }

  /** Ends the memberships that are over, in what is listened to here. */
  get sweep(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const topics = [...this.open.values()].filter(({ follower }) => follower.hasMembers)
      return Effect.forEach(topics, (open) => this.sweepOne(open), { concurrency: 20, discard: true })
    })
  }

  private sweepOne({ follower, topic }: Open): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Before the question: who joins while it is answered says so himself.
      follower.hasMembers = false
      const { all } = topicKeys(this.log.connection.prefix, topic)
      return Effect.match(this.log.run(memberScripts.sweep, all, []), {
        onFailure: () => {
          follower.hasMembers = true
        },
        onSuccess: (left) => {
          if (left !== 0) follower.hasMembers = true
        }
      })
    })
  }
}
