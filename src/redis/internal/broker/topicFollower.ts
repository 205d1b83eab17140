/**
 * The follower of a topic: hears what is published, for all that listen here. What is said on
 * the channel is only a hint: it is told on if it is the next, and otherwise
 * the log is read from where it was heard to last.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import type { Position, RecoveryReason } from "../../../protocol/Protocol.js"
import type { Listener, Publication } from "../../../topic/Broker.js"
import type { ChannelListener } from "../shardedPubSub.js"
import type { Reading } from "./streamLog.js"

/** Publications that are read at a time. */
const page = 100

/** One that listens, and after which position. */
export interface Ear {
  readonly listener: Listener
  from: Position
}

/** The place that the log was heard to: the position, and the time of the publication there. */
export interface Place {
  readonly position: Position
  readonly at: number
}

interface Message extends Place {
  readonly tellsOfMembers: boolean
  readonly payload: string
}

/** `kind offset at epoch`, and on the lines after it the payload. */
const parse = (text: string): Message | undefined => {
  const line = text.indexOf("\n")
  const [kind, offset, at, epoch] = text.slice(0, line).split(" ")
  if (line === -1 || epoch === undefined) return undefined
  const position = { epoch, offset: Number(offset) }
  return { position, at: Number(at), tellsOfMembers: kind === "m", payload: text.slice(line + 1) }
}

const isSame = (a: Position, b: Position): boolean => a.epoch === b.epoch && a.offset === b.offset

export class TopicFollower implements ChannelListener {
  readonly ears = new Set<Ear>()
  /** Those that have asked for it and not released it. */
  users = 0
  /** Memberships are told in it that may end by themselves. */
  hasMembers = false
  /** Nothing was heard since this was set. */
  isQuiet = false
  /** Undefined until the first that listens has asked for the end; then there may be what was heard before. */
  private place: Place | undefined
  private early: Place | undefined
  /** The channel was lost before that, so something may have been said that was not heard. */
  private hadGap = false
  private wasHeard = false
  private isFilling = false
  private filling: Fiber.RuntimeFiber<void> | undefined
  /** Something came while the log was read that may not have been in it. */
  private mustFillAgain = false
  /** Redis has forgotten publications that were heard, and gives their offsets to others. */
  private isRolledBack = false

  constructor(
    /** Reads the log, for as long as it takes. */
    private readonly read: (since: Place | undefined, limit: number) => Effect.Effect<Reading>,
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  // ---- listeners

  /** Has a listener hear what comes after the position that its ear is given. */
  enter(ear: Ear, end: Effect.Effect<Reading, BrokerUnavailable>): Effect.Effect<void, BrokerUnavailable> {
    return Effect.map(end, ({ at, history, members }) => {
      if (members > 0) this.hasMembers = true
      ear.from = this.meet({ position: history.end, at })
      this.ears.add(ear)
    })
  }

  /** The later of the log's end, as it was a moment ago, and what has been heard since. */
  private meet(end: Place): Position {
    const heard = this.place ?? this.early
    if (this.place === undefined) {
      this.place = end
      if (this.hadGap) this.fill()
    }
    if (heard === undefined || isSame(heard.position, end.position)) return end.position
    if (heard.position.epoch !== end.position.epoch) {
      this.fill()
      return end.position
    }
    if (heard.position.offset < end.position.offset) {
      // What is between is on its way, unless it was lost.
      this.isQuiet = true
      return end.position
    }
    this.place = heard
    return heard.position
  }

  // ---- the channel

  /** It was not heard before this. */
  heard(): void {
    this.hadGap = this.wasHeard
    this.wasHeard = true
    this.fill()
  }

  message(text: string): void {
    const message = parse(text)
    if (message === undefined) return
    this.isQuiet = false
    if (message.tellsOfMembers) this.hasMembers = true
    const { at, payload, position } = message
    if (this.place === undefined) {
      this.early = { position, at }
      return
    }
    const { epoch, offset } = this.place.position
    if (position.epoch !== epoch || position.offset > offset + 1) return this.fill()
    if (position.offset === offset + 1) return this.tell({ position, payload, at })
    // It is not the one that was heard with this offset, since it is newer than all of those.
    if (at > this.place.at) {
      this.isRolledBack = true
      this.fill()
    }
  }

  private tell(publication: Publication): void {
    const { at, position } = publication
    this.place = { position, at }
    for (const { from, listener } of this.ears) {
      if (from.epoch !== position.epoch || from.offset < position.offset) listener.published(publication)
    }
  }

  private reset(end: Place, reason: RecoveryReason): void {
    this.place = end
    for (const ear of this.ears) {
      // One that has begun there misses nothing.
      if (isSame(ear.from, end.position)) continue
      ear.from = end.position
      ear.listener.reset(end.position, reason)
    }
  }

  // ---- filling gaps

  /** Reads what comes after what was heard. */
  fill(): void {
    if (this.place === undefined) return
    this.mustFillAgain = true
    if (this.isFilling) return
    this.isFilling = true
    this.filling = this.fork(this.filled)
  }

  private readonly filled: Effect.Effect<void> = Effect.suspend(() => {
    if (this.place === undefined || !this.mustFillAgain) {
      this.isFilling = false
      return Effect.void
    }
    const since = this.place
    const { isRolledBack } = this
    this.mustFillAgain = false
    this.isRolledBack = false
    return Effect.flatMap(this.read(isRolledBack ? undefined : since, isRolledBack ? 0 : page), (reading) => {
      this.take(since.position, reading, isRolledBack)
      return this.filled
    })
  })

  private take(since: Position, { at, history, members }: Reading, isRolledBack: boolean): void {
    if (members > 0) this.hasMembers = true
    const place = { position: history.end, at }
    if (isRolledBack) return this.reset(place, "ahead")
    if (history._tag === "Complete") {
      for (const publication of history.publications) this.follow(publication)
      if (this.place !== undefined && this.place.position.offset < history.end.offset) this.mustFillAgain = true
      return
    }
    // What was asked for had come by the channel meanwhile.
    if (this.place !== undefined && !isSame(this.place.position, since)) this.mustFillAgain = true
    else this.reset(place, history.reason)
  }

  private follow(publication: Publication): void {
    const { epoch, offset } = publication.position
    if (this.place?.position.epoch === epoch && this.place.position.offset + 1 === offset) this.tell(publication)
  }

  /** Reads nothing any more. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => (this.filling === undefined ? Effect.void : Fiber.interrupt(this.filling)))
  }
}
