/**
 * A session in a `Storage`. A page claims it by writing its name on it, and
 * takes it off again as it is left: what bears a name is another page's, copied
 * with the storage, or that of a page that ended without notice.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { Keeper, KeptMessage, KeptSession, KeptState } from "../../client/SessionKeeper.js"
import type { Subprotocol } from "../../protocol/Protocol.js"
import { ItemNumbers } from "./itemNumbers.js"
import { PageClaims } from "./pageClaims.js"
import { SessionLock } from "./sessionLock.js"
import { type Head, StorageSlot } from "./storageSlot.js"

export interface StorageOptions {
  readonly storage: () => Storage
  readonly key: string
  readonly subprotocol: Subprotocol
  readonly failed: (cause: unknown) => void
  readonly now: () => number
  /** Hears `pagehide` and `pageshow`. */
  readonly page: EventTarget | undefined
  readonly locks: LockManager | undefined
}

/** Sessions under one key: of several clients of a page, and what is left of pages that ended without notice. */
const slots = 8

/** One that was not written for so many milliseconds is of no use to anybody: a day. */
const stale = 86_400_000

const nothing: KeptState = { ticket: undefined, attempts: 0, acknowledged: 0, processed: 0, topics: [] }

class StorageKeeper implements Keeper {
  found: KeptSession | undefined
  /** The session that was left can be written until somebody has claimed it; what is lost or has failed, never again. */
  private state: "mine" | "left" | "lost" | "failed" = "mine"
  private kept: KeptState = nothing
  /** The oldest message that is kept, and the last that was. */
  private oldest = 1
  private sent = 0
  private items = new ItemNumbers()

  constructor(
    private readonly options: StorageOptions,
    private readonly slot: StorageSlot,
    private readonly owner: string,
    private readonly lock: SessionLock
  ) {
    this.trying(() => {
      const head = slot.head
      if (!(head !== undefined && isLeft(head, options) && this.find(head))) slot.clear()
      this.write()
    })
  }

  /** True when all of it is there: with a message missing, a new one would get its number. */
  private find(head: Head): boolean {
    const { acknowledged, attempts, moved, processed, sent, ticket, topics } = head
    const items = new ItemNumbers(moved)
    const messages = this.slot.messages(acknowledged, sent, items)
    if (messages === undefined) return false
    const stored = new Set(messages.map(({ seq }) => items.of(seq)))
    this.slot.clear((item) => stored.has(item))
    this.items = items
    this.kept = { ticket, attempts, acknowledged, processed, topics }
    this.found = { ...this.kept, messages }
    this.oldest = acknowledged + 1
    this.sent = sent
    return true
  }

  private write(): void {
    const { acknowledged, attempts, processed, ticket, topics } = this.kept
    const isLeft = this.state === "left"
    this.slot.head = {
      version: 1,
      owner: isLeft ? "" : this.owner,
      left: isLeft ? this.owner : "",
      at: this.options.now(),
      subprotocol: this.options.subprotocol,
      ...(ticket === undefined ? {} : { ticket }),
      attempts,
      sent: this.sent,
      acknowledged,
      processed,
      ...(this.items.shifts.length === 0 ? {} : { moved: this.items.shifts }),
      topics
    }
  }

  /** A storage that fails keeps nothing: a session that is kept in part would be resumed with a gap. */
  private trying(use: () => void): void {
    try {
      if (this.mayWrite()) use()
    } catch (cause) {
      this.state = "failed"
      this.found = undefined
      try {
        this.slot.clear()
      } catch {
        // It cannot be used at all, which is what is told.
      }
      this.options.failed(cause)
    }
  }

  private mayWrite(): boolean {
    if (this.state === "left" && this.slot.head?.left !== this.owner) this.state = "lost"
    return this.state === "mine" || this.state === "left"
  }

  /** A page that asks after it was left runs again, or still: it has not been told that it is back, or never will be. */
  isMine(): boolean {
    this.comeBack()
    return this.state === "mine" || this.state === "failed"
  }

  keep(state: KeptState): void {
    this.trying(() => {
      this.kept = state
      this.write()
      this.takeLock()
    })
  }

  add(message: KeptMessage): void {
    this.trying(() => {
      this.slot.add(this.items.of(message.seq), message)
      this.sent = message.seq
      // Whoever claims it reads the head as it is.
      if (this.state === "left") this.write()
    })
  }

  remove(upTo: number): void {
    this.trying(() => {
      for (; this.oldest <= upTo; this.oldest++) this.slot.remove(this.items.of(this.oldest))
      this.items.release(upTo)
    })
  }

  /** Once the head is written it is gone: what a page that dies now leaves of it is found by nobody. */
  withdraw(seq: number): void {
    this.trying(() => {
      const item = this.items.of(seq)
      this.items.withdraw(seq)
      this.sent--
      this.write()
      this.slot.remove(item)
    })
  }

  forget(): void {
    this.trying(() => {
      this.slot.clear()
      this.kept = nothing
      this.oldest = 1
      this.sent = 0
      this.items = new ItemNumbers()
      this.write()
    })
  }

  private takeLock(): void {
    if (this.state === "mine" && this.kept.ticket !== undefined) this.lock.take(this.kept.ticket.session)
  }

  /** It is another page's after all. */
  yield(): void {
    this.state = "lost"
    this.found = undefined
  }

  /** The page may come back, or another one in its place. */
  leave(): void {
    this.trying(() => {
      this.state = "left"
      this.write()
    })
    this.lock.drop()
  }

  /** The page has come back: the session is its own if nobody has claimed it. */
  comeBack(): void {
    if (this.state !== "left") return
    this.trying(() => {
      this.state = "mine"
      this.write()
      this.takeLock()
    })
  }
}

/** True when a client of this kind may go on with it. */
const isLeft = (head: Head, { subprotocol }: StorageOptions): boolean =>
  head.owner === "" && head.subprotocol === subprotocol

const slotsOf = (options: StorageOptions) => {
  const storage = options.storage()
  return Array.from({ length: slots }, (_, index) => {
    const slot = new StorageSlot(storage, `${options.key}/${index + 1}`)
    return { slot, head: slot.head }
  })
}

const leftSlot = (options: StorageOptions) =>
  slotsOf(options).find(({ head }) => head !== undefined && isLeft(head, options))

/** Claims the first slot that was left, or else the first that no page has. */
const claim = (options: StorageOptions, lock: SessionLock): StorageKeeper | undefined => {
  const owner = Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(12)))
  const isFree = ({ head }: { readonly head: Head | undefined }) =>
    head === undefined || head.owner === "" || options.now() - head.at >= stale
  const first = leftSlot(options) ?? slotsOf(options).find(isFree)
  return first === undefined ? undefined : new StorageKeeper(options, first.slot, owner, lock)
}

const listening = (keeper: StorageKeeper, page: EventTarget | undefined): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const listeners = new AbortController()
        const { signal } = listeners
        page?.addEventListener("pagehide", () => keeper.leave(), { signal })
        page?.addEventListener("pageshow", () => keeper.comeBack(), { signal })
        return listeners
      }),
      (listeners) =>
        Effect.sync(() => {
          listeners.abort()
          keeper.leave()
        })
    )
  )

/** Waits for a client of this page that is ending and leaves its session, unless there is one that was left already. */
const othersLeft = (options: StorageOptions): Effect.Effect<void, unknown> =>
  Effect.flatMap(Effect.try({ try: () => leftSlot(options), catch: (cause) => cause }), (found) =>
    found === undefined
      ? Effect.if(PageClaims.of(options.storage(), options.key).oneLeft, {
          onTrue: () => othersLeft(options),
          onFalse: () => Effect.void
        })
      : Effect.void
  )

/** A slot, until the scope closes. */
const claimed = (options: StorageOptions, lock: SessionLock) =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const keeper = yield* Effect.try({ try: () => claim(options, lock), catch: (cause) => cause })
      if (keeper === undefined) return undefined
      // Let go of after the session was left.
      yield* PageClaims.of(options.storage(), options.key).add
      yield* listening(keeper, options.page)
      return keeper
    })
  )

export const open = (options: StorageOptions): Effect.Effect<Keeper | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const lock = new SessionLock(options.locks, (effect) => {
      Runtime.runFork(runtime)(effect, { scope })
    })
    const full = new Error(`${slots} sessions are kept under the key ${JSON.stringify(options.key)} already`)
    for (;;) {
      const result = yield* Effect.either(Effect.zipRight(othersLeft(options), claimed(options, lock)))
      const keeper = Either.getOrUndefined(result)
      if (keeper === undefined) {
        options.failed(Either.isLeft(result) ? result.left : full)
        return undefined
      }
      const ticket = keeper.found?.ticket
      if (ticket === undefined || (yield* lock.claim(ticket.session))) return keeper
      // It stays claimed here, and the next slot is looked at.
      keeper.yield()
    }
  })
