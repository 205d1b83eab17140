/** The log of one topic in memory: bounded in messages, bytes and age. */
import type { History, Listener, Publication, Retention } from "../Broker.js"
import type { Position } from "../Protocol.js"

interface Remembered {
  readonly position: Position
  /** Of the payload. */
  readonly print: string
}

export const defaultRetention: Retention = { messages: 1000, bytes: 16 * 1024 * 1024, age: 300_000 }

export class TopicLog {
  readonly listeners = new Set<Listener>()
  private publications: Array<Publication> = []
  /** Index of the oldest that is kept. */
  private head = 0
  private bytes = 0
  private offset = 0
  private readonly keys = new Map<string, Remembered>()

  constructor(
    readonly epoch: string,
    private retention: Retention
  ) {}

  get end(): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  /** Nobody would miss it but those who hold a position in it. */
  get isIdle(): boolean {
    return this.listeners.size === 0 && this.keys.size === 0
  }

  append(payload: string, at: number, retention: Retention): Position {
    this.retention = retention
    this.offset++
    const publication: Publication = { position: this.end, payload, at }
    this.publications.push(publication)
    this.bytes += payload.length
    this.trim(at)
    for (const listener of this.listeners) listener.published(publication)
    return publication.position
  }

  /** What was published under this key, if it is remembered still. */
  recall(key: string): Remembered | undefined {
    return this.keys.get(key)
  }

  remember(key: string, remembered: Remembered): void {
    this.keys.set(key, remembered)
  }

  forget(key: string): void {
    this.keys.delete(key)
  }

  after(since: Position | undefined, limit: number, now: number): History {
    this.trim(now)
    const { end } = this
    const first = this.offset - (this.publications.length - this.head)
    if (since !== undefined && since.epoch !== this.epoch) return { _tag: "Refused", reason: "epoch", end }
    if (since !== undefined && since.offset > this.offset) return { _tag: "Refused", reason: "ahead", end }
    if (since !== undefined && since.offset < first) return { _tag: "Refused", reason: "expired", end }
    const from = this.head + (since === undefined ? 0 : since.offset - first)
    return { _tag: "Complete", publications: this.publications.slice(from, from + limit), end }
  }

  /** Gives up what is beyond the bounds. */
  trim(now: number): void {
    const { age, bytes, messages } = this.retention
    for (;;) {
      const oldest = this.publications[this.head]
      if (oldest === undefined) break
      const kept = this.publications.length - this.head
      if (kept <= messages && (this.bytes <= bytes || kept === 1) && oldest.at + age >= now) break
      this.bytes -= oldest.payload.length
      this.head++
    }
    // Compacted now and then, so that giving up costs O(1) a publication.
    if (this.head > 64 && this.head * 2 > this.publications.length) this.compact()
  }

  /** Lets go of what was given up. */
  compact(): void {
    if (this.head === 0) return
    this.publications = this.publications.slice(this.head)
    this.head = 0
  }
}
