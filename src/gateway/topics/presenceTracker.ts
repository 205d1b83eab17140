/**
 * A session's memberships in the broker: what is told of it in each topic, and
 * that it is away. Told in the order in which that was asked for, however long
 * the broker takes, and to the end, whether whoever asked still waits for it or
 * not. What is asked of a broker and not waited for could come to it after what
 * was asked later: a ghost.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { wallTimeNow } from "../../connection/clocks.js"
import type { BrokerUnavailable } from "../../protocol/ConnectionError.js"
import type { Member, Position } from "../../protocol/Protocol.js"
import * as Topic from "../../topic/Topic.js"
import type { TopicRegistry } from "./topicRegistry.js"

/** The session, as its members know it. */
interface Tracked {
  readonly id: string
  readonly principal: { readonly id: string }
  readonly fencedStore: { readonly generation: number }
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

/** Without a connection; its members hear of that when `telling` has waited for long enough. */
interface Away {
  /** Milliseconds since the epoch. */
  since: number
  telling: Fiber.RuntimeFiber<void> | undefined
  isTold: boolean
}

export class PresenceTracker {
  /** The topics of which it is a member because of this gateway, with what it says of itself there. */
  private readonly data = new Map<string, unknown>()
  /** The last in the row of those that were asked for. */
  private last: Fiber.RuntimeFiber<void> | undefined
  private away: Away | undefined
  private isOver = false

  constructor(
    private readonly topics: Pick<TopicRegistry<never, unknown>, "broker" | "patiently">,
    private readonly session: Tracked
  ) {}

  /** Is a member from now on, with this data. */
  join(topic: string, data: unknown): Effect.Effect<void> {
    return this.inTurn(() => {
      if (this.isOver) return Effect.void
      this.data.set(topic, data)
      return this.tell(topic)
    })
  }

  /** Has other data from now on; gives the position in which that is told, unless it is no member any more. */
  change(topic: string, data: unknown): Effect.Effect<Position | undefined> {
    let told: Position | undefined
    const changed = this.inTurn(() => {
      if (this.isOver || !this.data.has(topic)) return Effect.void
      this.data.set(topic, data)
      return Effect.map(this.tell(topic), (position) => {
        told = position
      })
    })
    return Effect.map(changed, () => told)
  }

  leave(topic: string): Effect.Effect<void> {
    return this.inTurn(() => {
      this.data.delete(topic)
      return this.topics.broker.leave(this.session.id, { topic, after: 0 })
    })
  }

  private tell(topic: string): Effect.Effect<Position, BrokerUnavailable> {
    const { broker } = this.topics
    return broker.join(topic, Topic.presenceOf(topic), this.member(topic), this.session.fencedStore.generation)
  }

  private member(topic: string): Member {
    const { away, session } = this
    const data = this.data.get(topic)
    return {
      session: session.id,
      principal: session.principal.id,
      ...(away?.isTold === true ? { away: away.since } : {}),
      ...(data === undefined ? {} : { data })
    }
  }

  /** As things stand now. */
  private get tellAll(): Effect.Effect<void, BrokerUnavailable> {
    return Effect.forEach(this.data.keys(), (topic) => this.tell(topic), { discard: true })
  }

  // ---- its connection

  /** It has no connection, and if that lasts for so many milliseconds it is away. */
  detached(after: number): void {
    if (this.isOver || this.away !== undefined) return
    const away: Away = { since: 0, telling: undefined, isTold: false }
    const told = this.inTurn(() => {
      if (this.isOver) return Effect.void
      away.isTold = true
      return this.tellAll
    })
    this.away = away
    away.telling = this.session.fork(
      Effect.flatMap(wallTimeNow, (since) => {
        away.since = since
        return after === 0 ? told : Effect.zipRight(Effect.sleep(after), told)
      })
    )
  }

  attached(): void {
    const { away } = this
    if (away === undefined) return
    this.away = undefined
    away.telling?.unsafeInterruptAsFork(FiberId.none)
    if (away.isTold) this.session.fork(this.inTurn(() => (this.isOver ? Effect.void : this.tellAll)))
  }

  // ---- its end

  /** The session is over here: it joins no topic any more. */
  ended(): void {
    this.isOver = true
    this.away?.telling?.unsafeInterruptAsFork(FiberId.none)
  }

  /** Leaves every topic after so many milliseconds. */
  leaveAll(after: number): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.zipRight(this.theOthers, this.topics.patiently(this.topics.broker.leave(this.session.id, { after })))
    )
  }

  /** Undoes `leaveAll`: the session had been resumed elsewhere before. */
  get rejoinAll(): Effect.Effect<void> {
    return this.topics.patiently(Effect.suspend(() => this.tellAll))
  }

  /** Waits for all that was asked for before. */
  private get theOthers(): Effect.Effect<void> {
    return Effect.suspend(() => (this.last === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.last))))
  }

  private inTurn(operation: () => Effect.Effect<unknown, BrokerUnavailable>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const told = Effect.asVoid(this.topics.patiently(Effect.suspend(operation)))
      const fiber = this.session.fork(Effect.zipRight(this.theOthers, told))
      // A broker in memory has answered already: to wait for that would cost a turn of the scheduler (12 µs).
      if (fiber.unsafePoll() !== null) return Effect.void
      this.last = fiber
      fiber.addObserver(() => {
        if (this.last === fiber) this.last = undefined
      })
      return Effect.asVoid(Fiber.await(fiber))
    })
  }
}
