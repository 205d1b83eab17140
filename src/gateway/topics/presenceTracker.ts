/**
 * A session's memberships in the broker: joined and left in the order in which
 * it was asked for, however long the broker takes, and to the end, whether
 * whoever asked still waits for it or not. What is asked of a broker and not
 * waited for could come to it after what was asked later: a ghost.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { BrokerUnavailable } from "../../protocol/ConnectionError.js"
import type { Member } from "../../protocol/Protocol.js"
import * as Topic from "../../topic/Topic.js"
import type { TopicRegistry } from "./topicRegistry.js"

export class PresenceTracker {
  /** Of which it is a member because of this gateway. */
  private readonly names = new Set<string>()
  /** The last in the row of those that were asked for. */
  private last: Fiber.RuntimeFiber<void> | undefined
  private isOver = false

  constructor(
    private readonly topics: Pick<TopicRegistry<never, unknown>, "broker" | "patiently">,
    private readonly member: () => Member,
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  join(topic: string): Effect.Effect<void> {
    return this.inTurn(() => {
      if (this.isOver) return Effect.void
      this.names.add(topic)
      return this.topics.broker.join(topic, Topic.presenceOf(topic), this.member())
    })
  }

  leave(topic: string): Effect.Effect<void> {
    return this.inTurn(() => {
      this.names.delete(topic)
      return this.topics.broker.leave(this.member().session, { topic, after: 0 })
    })
  }

  /** The session is over here: leaves every topic after so many milliseconds, and joins none any more. */
  leaveAll(after: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isOver = true
      return Effect.zipRight(
        this.theOthers,
        this.topics.patiently(this.topics.broker.leave(this.member().session, { after }))
      )
    })
  }

  /** Undoes `leaveAll`: the session had been resumed elsewhere before. */
  get rejoinAll(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach(
        this.names,
        (topic) => this.topics.patiently(this.topics.broker.join(topic, Topic.presenceOf(topic), this.member())),
        { discard: true }
      )
    )
  }

  /** Waits for all that was asked for before. */
  private get theOthers(): Effect.Effect<void> {
    return Effect.suspend(() => (this.last === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.last))))
  }

  private inTurn(operation: () => Effect.Effect<void, BrokerUnavailable>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fiber = this.fork(Effect.zipRight(this.theOthers, this.topics.patiently(Effect.suspend(operation))))
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
