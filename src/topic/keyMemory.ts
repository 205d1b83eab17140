/**
 * The keys that the memory broker remembers, the oldest first. Every one is remembered for the whole window; when they
 * become many, those who hold most are given no more.
 */
import { TooManyKeys } from "../protocol/ConnectionError.js"
import type { Position } from "../protocol/Protocol.js"

export interface Key<L> {
  readonly log: L
  readonly name: string
  readonly at: number
  readonly publisher: string | undefined
  readonly position: Position
  /** Of the payload. */
  readonly print: string
}

/**
 * A publisher may hold so many times what is free, with an eighth more than `maxKeys` in all: one that is alone gets
 * `maxKeys`, and whoever holds few finds room for as long as there is any.
 */
const share = 8

/** So many are forgotten at a time where one is added, so that a great many that are old make nobody wait. */
const stepsAtATime = 64

/** A log, as far as it has keys. */
interface Keyed<L> {
  readonly remember: (key: Key<L>) => void
  readonly forget: (key: Key<L>) => void
}

export class KeyMemory<L extends Keyed<L>> {
  private keys: Array<Key<L> | undefined> = []
  /** Index of the oldest. */
  private head = 0
  /** How many each publisher holds. */
  private readonly held = new Map<string | undefined, number>()

  constructor(
    private readonly window: number,
    private readonly maxKeys: number,
    /** A key of this log was forgotten. */
    private readonly forgotten: (log: L) => void
  ) {}

  /** Why this publisher may add none now, if so. */
  refusal(publisher: string | undefined, now: number): TooManyKeys | undefined {
    for (;;) {
      const excess = this.excess(publisher)
      if (excess < 0) return undefined
      if (!this.forgetSome(now)) return this.tooMany(excess, now)
    }
  }

  private excess(publisher: string | undefined): number {
    const size = this.keys.length - this.head
    return (this.held.get(publisher) ?? 0) + share * size - (share + 1) * this.maxKeys
  }

  private tooMany(excess: number, now: number): TooManyKeys {
    // When so many of the oldest are forgotten, at the latest, there is room, whoever's they are.
    const last = this.keys[this.head + Math.floor(excess / share)]
    const retryAfter = Math.max(1, (last?.at ?? now) + this.window - now)
    return new TooManyKeys({ option: "maxKeys", limit: this.maxKeys, retryAfter })
  }

  add(key: Key<L>): void {
    const { publisher } = key
    this.keys.push(key)
    this.held.set(publisher, (this.held.get(publisher) ?? 0) + 1)
    key.log.remember(key)
  }

  isOld({ at }: Key<L>, now: number): boolean {
    return at <= now - this.window
  }

  /** Forgets some of those that are old, and tells whether there were any. */
  forgetSome(now: number): boolean {
    for (let count = 0; count < stepsAtATime; count++) {
      const oldest = this.keys[this.head]
      if (oldest === undefined || !this.isOld(oldest, now)) return count > 0
      this.keys[this.head++] = undefined
      this.forget(oldest)
    }
    return true
  }

  private forget(key: Key<L>): void {
    const { log, publisher } = key
    const held = (this.held.get(publisher) ?? 0) - 1
    if (held > 0) this.held.set(publisher, held)
    else this.held.delete(publisher)
    // Compacted now and then, so that forgetting costs O(1) a key.
    if (this.head > 64 && this.head * 2 > this.keys.length) {
      this.keys = this.keys.slice(this.head)
      this.head = 0
    }
    log.forget(key)
    this.forgotten(log)
  }
}
