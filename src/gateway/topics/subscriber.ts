/**
 * One subscription of a session, on the connection that it was made on: its
 * place in the topic's log, and how it gets to the end of it.
 *
 * First it recovers: it reads from the broker what the client has missed. Then
 * it follows the feed. What the connection does not take waits in the feed,
 * and what becomes of more than may wait is the topic's policy.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { BrokerUnavailable, ConnectionEnd } from "../../protocol/ConnectionError.js"
import type { Policy, Position, RecoveryReason, Subscribed } from "../../protocol/Protocol.js"
import { Chunked, type Progress } from "../../session/large/chunkExchange.js"
import type { Broker, History, Publication } from "../../topic/Broker.js"
import type { DeliveryBacklog, Lagging } from "./deliveryBacklog.js"
import type { AnswerCost } from "./requestIntake.js"
import { deliveryOf, type Follower, type Shared, type TopicFeed } from "./topicFeed.js"

/** Publications that are read from the broker at a time. */
const page = 100

/** The start of a subscription. */
export interface Start {
  /** The position that the client is told: where it was, if what lies between is skipped, so that it can count it. */
  readonly answer: Pick<Subscribed, "position" | "recovered" | "reason">
  /** The last position that it is not sent. */
  readonly from: Position
  /** The first of what follows. */
  readonly publications: ReadonlyArray<Publication>
}

type Service = Context.Tag.Service<Broker>

const fresh = (position: Position, publications: ReadonlyArray<Publication> = []): Start => ({
  answer: { position, recovered: true },
  from: position,
  publications
})

/** The client goes on where it was, and sees by the offsets what it was not sent. */
const skipping = (start: Start, since: Position): Start => ({ ...start, answer: { position: since, recovered: true } })

const before = ({ epoch, offset }: Position): Position => ({ epoch, offset: Math.max(0, offset - 1) })

/** Finds where a subscription starts: complete from `since` on, or refused. */
export const start = (
  broker: Service,
  topic: string,
  policy: Policy,
  since: Position | "oldest" | undefined
): Effect.Effect<Start, BrokerUnavailable> => {
  const read = (from: Position | undefined, limit = page) => broker.history(topic, { since: from, limit })
  const lost = ({ end, reason }: Extract<History, { _tag: "Refused" }>): Start => ({
    answer: { position: end, recovered: false, reason },
    from: end,
    publications: []
  })
  const oldest = Effect.flatMap(read(undefined), (kept) =>
    kept._tag === "Refused"
      ? Effect.succeed(lost(kept))
      : Effect.succeed(
          fresh(kept.publications[0] ? before(kept.publications[0].position) : kept.end, kept.publications)
        )
  )
  const newest = (end: Position): Effect.Effect<Start, BrokerUnavailable> =>
    Effect.map(read(before(end)), (last) => {
      const publications = last._tag === "Complete" ? last.publications : []
      return fresh(publications.length === 0 ? end : before(end), publications)
    })

  if (policy === "latest") {
    return Effect.flatMap(since === "oldest" || since === undefined ? read(undefined, 0) : read(since, 0), (log) => {
      if (log._tag === "Refused" && log.reason !== "expired") {
        const { end, reason } = log
        return Effect.map(newest(end), (start) => ({ ...start, answer: { ...start.answer, recovered: false, reason } }))
      }
      if (typeof since !== "object") return newest(log.end)
      // What is between `since` and the newest is skipped, as it always may be.
      return since.offset >= log.end.offset
        ? Effect.succeed(fresh(log.end))
        : Effect.map(newest(log.end), (start) => skipping(start, since))
    })
  }
  if (since === "oldest") return oldest
  return Effect.flatMap(since === undefined ? read(undefined, 0) : read(since), (log) => {
    if (log._tag === "Complete") return Effect.succeed(fresh(since ?? log.end, log.publications))
    return policy === "dropOldest" && log.reason === "expired" && since !== undefined
      ? Effect.map(oldest, (start) => skipping(start, since))
      : Effect.succeed(lost(log))
  })
}

export class Subscriber implements Follower, Lagging {
  /** The last publication that left, or begins to leave. */
  private cursor: Position
  /** The publication at the cursor, while it leaves in chunks. */
  private leaving: Chunked | undefined
  /** `total` of the feed up to the cursor, while it lags. */
  private passed = 0
  /** The last that waits, while it lags. */
  private newest: Shared | undefined
  private mode: "Recovering" | "Following" | "Lagging" | "Stopped" = "Recovering"

  constructor(
    private readonly feed: TopicFeed,
    private readonly policy: Policy,
    private readonly backlog: DeliveryBacklog,
    start: Position,
    /** Of the request that asked for what is recovered. */
    private readonly cost: AnswerCost,
    /** The client must be closed: it is too slow for a topic that skips nothing. */
    private readonly tooSlow: () => void
  ) {
    this.cursor = start
  }

  // ---- recovering

  /** Sends what was missed, and then what is published; whether that needs no fiber to wait in. */
  begin(publications: ReadonlyArray<Publication>): boolean {
    this.feed.followers.add(this)
    for (const publication of publications) {
      if (this.backlog.mustWait) return false
      const delivery = deliveryOf(this.backlog, this.feed.topic, publication)
      if (delivery instanceof Chunked) return false
      this.backlog.write(delivery)
      this.recovered(publication, delivery.length)
    }
    return this.follow()
  }

  /** True when the end of the log is reached, from where the feed brings what comes. */
  private follow(): boolean {
    if (this.cursor.epoch !== this.feed.head.epoch || this.isBehindFeed) return false
    if (this.mode === "Recovering") this.mode = "Following"
    return true
  }

  /** The feed has brought what this one, while it recovered, has not listened to. */
  private get isBehindFeed(): boolean {
    const { epoch, offset } = this.feed.head
    return this.cursor.epoch === epoch && this.cursor.offset < offset
  }

  private recovered({ position }: Publication, size: number): void {
    this.cost.add(size)
    this.cursor = position
  }

  /** Reads and sends until the end of the log is reached. */
  recover(broker: Service): Effect.Effect<void, BrokerUnavailable | ConnectionEnd> {
    return Effect.suspend(() => {
      if (this.mode !== "Recovering" || this.follow()) return Effect.void
      // Only the newest waits.
      if (this.policy === "latest" && this.isBehindFeed) this.cursor = before(this.feed.head)
      const since = this.cursor
      return Effect.flatMap(broker.history(this.feed.topic, { since, limit: page }), (log) => {
        if (this.mode !== "Recovering" || this.cursor !== since) return this.recover(broker)
        if (log._tag === "Refused") return Effect.zipRight(this.lost(broker, log), this.recover(broker))
        if (log.publications.length === 0 && !this.isBehindFeed) {
          this.mode = "Following"
          return Effect.void
        }
        const sent = Effect.forEach(log.publications, (publication) => this.sendPatiently(publication), {
          discard: true
        })
        return Effect.zipRight(sent, this.recover(broker))
      })
    })
  }

  private sendPatiently(publication: Publication): Effect.Effect<void, ConnectionEnd> {
    const { position } = publication
    return Effect.suspend(() => {
      if (this.mode !== "Recovering" || position.epoch !== this.cursor.epoch) return Effect.void
      const delivery = deliveryOf(this.backlog, this.feed.topic, publication)
      if (delivery instanceof Chunked) return this.sendChunks(publication, delivery)
      return Effect.map(this.backlog.live.send(delivery), () => this.recovered(publication, delivery.length))
    })
  }

  private sendChunks(publication: Publication, message: Chunked): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.mode !== "Recovering" || publication.position.epoch !== this.cursor.epoch) return Effect.void
      this.leaving = message
      switch (this.sendChunk(message)) {
        case "Waits":
          return Effect.zipRight(this.backlog.hasRoom, this.sendChunks(publication, message))
        case "Partly":
          return this.sendChunks(publication, message)
        case "Whole":
          this.recovered(publication, message.size)
          return Effect.void
      }
    })
  }

  private sendChunk(message: Chunked): Progress {
    const progress = this.backlog.writeChunk(message)
    if (progress === "Whole") this.leaving = undefined
    return progress
  }

  /** Goes on where what it was to send next is not kept any more. */
  private lost(
    broker: Service,
    { end, reason }: Extract<History, { _tag: "Refused" }>
  ): Effect.Effect<void, BrokerUnavailable> {
    if (reason !== "expired") return Effect.sync(() => this.startOver(end, reason))
    if (this.policy === "disconnect") return Effect.sync(() => this.giveUp())
    return Effect.map(start(broker, this.feed.topic, this.policy, "oldest"), ({ from }) => {
      this.cursor = from
    })
  }

  // ---- following

  published(batch: ReadonlyArray<Shared>): void {
    for (const shared of batch) this.next(shared)
  }

  private next(shared: Shared): void {
    const { position } = shared.publication
    if (position.epoch === this.cursor.epoch && position.offset <= this.cursor.offset) return
    if (this.mode !== "Following" || this.backlog.mustWait) return this.later(shared)
    const delivery = shared.delivery(this.backlog)
    if (delivery instanceof Chunked) return this.beginChunks(shared)
    this.backlog.write(delivery)
    this.cursor = position
  }

  private later(shared: Shared): void {
    if (this.mode === "Following" || this.mode === "Lagging") this.wait(shared)
  }

  /** It waits for nothing but the window of chunks, if that. */
  private beginChunks(shared: Shared): void {
    this.wait(shared)
    this.backlog.pump()
  }

  /** It must wait until the connection takes it. */
  private wait(shared: Shared): void {
    const { backlog } = this
    if (this.mode === "Following") {
      this.mode = "Lagging"
      this.passed = shared.total - shared.size
      this.feed.lagging++
      backlog.begin(this)
    }
    this.newest = shared
    backlog.messages++
    backlog.bytes += shared.size
    if (this.policy === "latest") this.skipTo(shared.offset - 1)
    while (backlog.isOver) {
      if (this.policy === "disconnect") return this.giveUp()
      // The newest waits in any case: nothing else would tell the client that it missed it.
      if (this.cursor.offset >= shared.offset - 1) return
      this.skipTo(this.cursor.offset + 1)
    }
  }

  /** Passes over what waits, up to this one. */
  private skipTo(offset: number): void {
    const last = this.feed.get(offset)
    if (last === undefined || offset <= this.cursor.offset) return
    this.backlog.messages -= offset - this.cursor.offset
    this.backlog.bytes -= last.total - this.passed
    this.passed = last.total
    this.cursor = last.publication.position
  }

  sendOne(): boolean {
    if (this.leaving !== undefined) return this.sendNext(this.leaving)
    const next = this.feed.get(this.cursor.offset + 1)
    // What lags is within the bounds of what the feed holds; if it ever were not, the log has it still.
    if (next === undefined) {
      this.giveUp()
      return true
    }
    const delivery = next.delivery(this.backlog)
    if (delivery instanceof Chunked) {
      const progress = this.sendChunk(delivery)
      if (progress === "Waits") return false
      if (progress === "Partly") this.leaving = delivery
    } else this.backlog.write(delivery)
    this.skipTo(next.offset)
    this.sent()
    return true
  }

  private sendNext(message: Chunked): boolean {
    const progress = this.sendChunk(message)
    this.sent()
    return progress !== "Waits"
  }

  private sent(): void {
    if (this.leaving === undefined && this.cursor.offset === this.newest?.offset) this.caughtUp()
  }

  private caughtUp(): void {
    if (this.mode !== "Lagging") return
    this.mode = "Following"
    this.newest = undefined
    this.feed.caughtUp()
    this.backlog.end(this)
  }

  // ---- ends

  /** The log is another one, or was not followed without a gap. */
  reset(position: Position, reason: RecoveryReason): void {
    if (this.mode !== "Stopped") this.startOver(position, reason)
  }

  private startOver(position: Position, reason: RecoveryReason): void {
    this.dropLag()
    this.cursor = position
    const { policy } = this
    this.backlog.say({ type: "subscribed", topic: this.feed.topic, position, recovered: false, reason, policy })
  }

  private dropLag(): void {
    const { leaving, newest } = this
    this.leaving = undefined
    if (leaving !== undefined) this.backlog.giveUp(leaving)
    if (newest === undefined) return
    this.backlog.messages -= newest.offset - this.cursor.offset
    this.backlog.bytes -= newest.total - this.passed
    this.caughtUp()
  }

  private giveUp(): void {
    this.stop()
    this.tooSlow()
  }

  /** Sends nothing more. */
  stop(): void {
    this.dropLag()
    this.mode = "Stopped"
    this.feed.followers.delete(this)
  }
}
