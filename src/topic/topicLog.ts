/** The log of one topic in memory: bounded in messages, bytes and age. */

import type { Position } from "../protocol/Protocol.js"
import type { History, Listener, Publication, Retention } from "./brokerService.js"
import type { Due } from "./dueBuckets.js"
import { Held, type HeldPublications } from "./heldPublications.js"
import type { Key } from "./keyMemory.js"
import type { Linked } from "./linkedList.js"

/** Of a log that is empty; never pushed to. */
const none: Array<Held | undefined> = []

export class TopicLog implements Linked<TopicLog>, Due<TopicLog> {
  /** Among those that nobody uses. */
  previous: TopicLog | undefined
  next: TopicLog | undefined
  dueAt: number | undefined
  dueBefore: TopicLog | undefined
  dueAfter: TopicLog | undefined
  /** On the monotonic clock, as all times but those that are told. */
  usedAt = 0
  private listeners: Set<Listener> | undefined
  private keys: Map<string, Key<TopicLog>> | undefined
  /** Nothing before `head`: what was given up is let go of at once. */
  private kept: Array<Held | undefined> = none
  /** Index of the oldest that is kept. */
  private head = 0
  /** UTF-16 units of what is kept. */
  private units = 0
  private offset = 0

  constructor(
    readonly topic: string,
    readonly epoch: string,
    private retention: Retention,
    private readonly all: HeldPublications
  ) {}

  get end(): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  /** Nobody would miss it but those who hold a position in it. */
  get isIdle(): boolean {
    return (this.listeners?.size ?? 0) === 0 && (this.keys?.size ?? 0) === 0
  }

  get isEmpty(): boolean {
    return this.oldest === undefined
  }

  /** Milliseconds for which publications are kept. */
  get age(): number {
    return this.retention.age
  }

  /** When the oldest that is kept is too old after. */
  get expiresAt(): number | undefined {
    const { oldest } = this
    return oldest === undefined ? undefined : oldest.since + this.retention.age
  }

  private get oldest(): Held | undefined {
    return this.kept[this.head]
  }

  append(payload: string, now: number, at: number, retention: Retention): Position {
    this.retention = retention
    this.offset++
    const held = new Held(this, payload, now, at)
    // Most topics hold few: `push` on an empty array would make room for 16 more.
    if (this.kept.length === 0) this.kept = [held]
    else this.kept.push(held)
    this.units += payload.length
    this.all.add(held)
    this.trim(now)
    const position = this.end
    if (this.listeners !== undefined) {
      const publication: Publication = { position, payload, at }
      for (const listener of this.listeners) listener.published(publication)
    }
    return position
  }

  after(since: Position | undefined, limit: number, now: number): History {
    this.trim(now)
    const { end } = this
    const first = this.offset - (this.kept.length - this.head)
    if (since !== undefined && since.epoch !== this.epoch) return { _tag: "Refused", reason: "epoch", end }
    if (since !== undefined && since.offset > this.offset) return { _tag: "Refused", reason: "ahead", end }
    if (since !== undefined && since.offset < first) return { _tag: "Refused", reason: "expired", end }
    const from = this.head + (since === undefined ? 0 : since.offset - first)
    const publications = this.kept
      .slice(from, from + limit)
      .flatMap((held, index) =>
        held === undefined ? [] : [this.publication(held, first + (from - this.head) + index + 1)]
      )
    return { _tag: "Complete", publications, end }
  }

  private publication({ at, payload }: Held, offset: number): Publication {
    return { position: { epoch: this.epoch, offset }, payload, at }
  }

  // ---- giving up

  /** Gives up what is beyond the log's own bounds. */
  trim(now: number): void {
    const { age, bytes, messages } = this.retention
    for (;;) {
      const { oldest } = this
      if (oldest === undefined) return
      const kept = this.kept.length - this.head
      if (kept <= messages && (this.units <= bytes || kept === 1) && oldest.since + age >= now) return
      this.dropOldest()
    }
  }

  dropOldest(): void {
    const { oldest } = this
    if (oldest === undefined) return
    this.all.remove(oldest)
    this.units -= oldest.payload.length
    this.kept[this.head++] = undefined
    // Compacted now and then, so that giving up costs O(1) a publication.
    if (this.head === this.kept.length || (this.head > 64 && this.head * 2 > this.kept.length)) {
      this.kept = this.kept.slice(this.head)
      this.head = 0
    }
  }

  /** Nobody will find it any more. */
  clear(): void {
    while (this.oldest !== undefined) this.dropOldest()
  }

  // ---- listeners and keys

  listen(listener: Listener): void {
    this.listeners ??= new Set()
    this.listeners.add(listener)
  }

  unlisten(listener: Listener): void {
    this.listeners?.delete(listener)
  }

  /** The last publication under this key, if it was not forgotten. */
  recall(key: string): Key<TopicLog> | undefined {
    return this.keys?.get(key)
  }

  remember(key: Key<TopicLog>): void {
    this.keys ??= new Map()
    this.keys.set(key.name, key)
  }

  forget(key: Key<TopicLog>): void {
    // The same name may be remembered anew.
    if (this.keys?.get(key.name) === key) this.keys.delete(key.name)
  }
}
