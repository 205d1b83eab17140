/**
 * Messages sent and not yet acknowledged, by sequence number. Bounded by the
 * caller: it asks `hasRoom` before it pushes.
 */
import type { Payload } from "../protocol/Codec.js"

export interface Entry {
  /** Lower by one for each message before it that was withdrawn. */
  readonly seq: number
  readonly payload: Payload
  readonly size: number
  /** Asks the peer to acknowledge at once. */
  readonly confirm: boolean
  /** The mail that it was made of. */
  readonly mail?: number | undefined
  /** Bytes of all messages pushed up to and with this one. */
  readonly offset: number
}

export interface Bounds {
  readonly messages: number
  readonly bytes: number
}

export class ReplayBuffer {
  private entries: Array<Entry | undefined> = []
  /** Index of the oldest entry: those before it are released. */
  private head = 0
  bytes = 0
  private pushed = 0
  /** The `offset` of the last message released. */
  releasedOffset = 0

  constructor(private readonly bounds: Bounds) {}

  get size(): number {
    return this.entries.length - this.head
  }

  /** True when a message of this size may be pushed. An empty buffer takes any. */
  hasRoom(size: number): boolean {
    return this.size === 0 || (this.size < this.bounds.messages && this.bytes + size <= this.bounds.bytes)
  }

  push(seq: number, payload: Payload, size: number, confirm: boolean, mail?: number): void {
    this.pushed += size
    this.entries.push({ seq, payload, size, confirm, mail, offset: this.pushed })
    this.bytes += size
  }

  get(seq: number): Entry | undefined {
    const oldest = this.entries[this.head]
    return oldest === undefined ? undefined : this.entries[this.head + seq - oldest.seq]
  }

  /** The entries after a sequence number, oldest first. */
  after(seq: number): ReadonlyArray<Entry> {
    const oldest = this.entries[this.head]
    if (oldest === undefined) return []
    // From the head on, every slot is filled.
    return this.entries.slice(this.head + Math.max(0, seq + 1 - oldest.seq)) as Array<Entry>
  }

  release(upTo: number): void {
    for (;;) {
      const entry = this.entries[this.head]
      if (entry === undefined || entry.seq > upTo) break
      this.bytes -= entry.size
      this.releasedOffset = entry.offset
      this.entries[this.head++] = undefined
    }
    // Compacted now and then, so that releasing costs O(1) a message.
    if (this.head > 32 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head)
      this.head = 0
    } else if (this.head === this.entries.length) {
      this.entries.length = 0
      this.head = 0
    }
  }

  /** Takes out one that was never written; those after it move up. */
  withdraw(seq: number): void {
    const gone = this.get(seq)
    if (gone === undefined) return
    const later = this.after(seq)
    this.entries.length -= later.length + 1
    this.bytes -= gone.size
    this.pushed -= gone.size
    for (const entry of later) this.entries.push({ ...entry, seq: entry.seq - 1, offset: entry.offset - gone.size })
  }

  clear(): void {
    this.entries = []
    this.head = 0
    this.bytes = 0
    this.releasedOffset = this.pushed
  }
}
