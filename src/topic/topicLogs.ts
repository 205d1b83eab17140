/**
 * The logs of all topics in memory: made as soon as somebody names one, and given up when they are too many or have
 * been empty for long. A new one costs the same however many there are.
 */

import { defaultRetention } from "./brokerService.js"
import { DueBuckets } from "./dueBuckets.js"
import { HeldPublications } from "./heldPublications.js"
import { LinkedList } from "./linkedList.js"
import { TopicLog } from "./topicLog.js"

interface Bounds {
  readonly maxTopics: number
  readonly maxBytes: number
  readonly topicTtl: number
}

export class TopicLogs {
  private readonly logs = new Map<string, TopicLog>()
  /** Those that nobody uses, the one that was unused for longest first. */
  private readonly idle = new LinkedList<TopicLog>()
  /** When each is to be looked at: its oldest publication is too old then, or it may be given up. */
  private readonly due = new DueBuckets<TopicLog>()
  private readonly held: HeldPublications
  /** What the epochs of all begin with: one text, so that each has a short one of its own. */
  private readonly epochs: string
  private made = 0

  constructor(
    instance: string,
    private readonly bounds: Bounds,
    /** Lets go of what keeps logs in use and is old. */
    private readonly letGo: (now: number) => void
  ) {
    this.epochs = `${instance}.`
    this.held = new HeldPublications(bounds.maxBytes)
  }

  /** The topic's log, now the last used. */
  use(topic: string, now: number): TopicLog {
    const known = this.logs.get(topic)
    if (known === undefined) return this.make(topic, now)
    known.usedAt = now
    if (this.idle.has(known)) {
      this.idle.remove(known)
      this.idle.push(known)
    }
    return known
  }

  private make(topic: string, now: number): TopicLog {
    const log = new TopicLog(topic, this.epochs + ++this.made, defaultRetention, this.held)
    log.usedAt = now
    this.logs.set(topic, log)
    this.idle.push(log)
    this.due.set(log, this.idleUntil(log))
    if (this.logs.size > this.bounds.maxTopics) this.makeRoom(log, now)
    return log
  }

  /** Two for one, at most: many that were in use, and are not any more, go little by little. */
  private makeRoom(log: TopicLog, now: number): void {
    this.letGo(now)
    for (let count = 0; count < 2 && this.logs.size > this.bounds.maxTopics; count++) {
      const { first } = this.idle
      if (first === undefined || first === log) return
      this.remove(first)
    }
  }

  private remove(log: TopicLog): void {
    this.logs.delete(log.topic)
    this.idle.remove(log)
    this.due.remove(log)
    log.clear()
  }

  /** After somebody has begun or ceased to use it, or has published. */
  changed(log: TopicLog): void {
    const { dueAt, expiresAt, isIdle } = log
    if (isIdle !== this.idle.has(log)) {
      if (isIdle) this.idle.push(log)
      else this.idle.remove(log)
    }
    const next = expiresAt ?? (isIdle ? this.idleUntil(log) : undefined)
    if (next !== undefined && (dueAt === undefined || next < dueAt)) this.due.set(log, next)
  }

  /** A client that was away for no longer than this finds its position again. */
  private idleUntil(log: TopicLog): number {
    return log.usedAt + Math.max(this.bounds.topicTtl, log.age)
  }

  /** Gives up what is too old, log by log. */
  *expire(now: number): Generator<void> {
    for (const log of this.due.take(now)) {
      this.expireOne(log, now)
      yield
    }
  }

  private expireOne(log: TopicLog, now: number): void {
    if (this.logs.get(log.topic) !== log) return
    log.trim(now)
    if (log.isEmpty && log.isIdle && this.idleUntil(log) < now) this.remove(log)
    else this.changed(log)
  }
}
