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
import type { Subprotocol } from "../../Protocol.js"
import type { Keeper, KeptMessage, KeptSession, KeptState } from "../../SessionKeeper.js"
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
  /** Once it is not, nothing is written any more. */
  private state: "mine" | "left" | "lost" | "failed" = "mine"
  private kept: KeptState = nothing
  /** The oldest message that is kept. */
  private oldest = 1

  constructor(
    private readonly options: StorageOptions,
    private readonly slot: StorageSlot,
    private readonly owner: string,
    private readonly lock: SessionLock
  ) {
    this.trying(() => {
      const head = slot.head
      if (head !== undefined && head.owner === "" && head.subprotocol === options.subprotocol) this.find(head)
      else slot.clear()
      this.write()
    })
  }

  private find(head: Head): void {
    const { acknowledged, attempts, processed, topics } = head
    const messages = this.slot.messagesAfter(acknowledged)
    const last = acknowledged + messages.length
    this.slot.clear((seq) => seq > acknowledged && seq <= last)
    this.kept = { ticket: head.ticket, attempts, acknowledged, processed, topics }
    this.found = { ...this.kept, messages }
    this.oldest = acknowledged + 1
  }

  private write(left = ""): void {
    const { acknowledged, attempts, processed, ticket, topics } = this.kept
    this.slot.head = {
      version: 1,
      owner: left === "" ? this.owner : "",
      left,
      at: this.options.now(),
      subprotocol: this.options.subprotocol,
      ...(ticket === undefined ? {} : { ticket }),
      attempts,
      acknowledged,
      processed,
      topics
    }
  }

  /** A storage that fails keeps nothing: a session that is kept in part would be resumed with a gap. */
  private trying(use: () => void): void {
    if (this.state !== "mine") return
    try {
      use()
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

  isMine(): boolean {
    return this.state === "mine" || this.state === "failed"
  }

  keep(state: KeptState): void {
    this.trying(() => {
      this.kept = state
      this.write()
      if (state.ticket !== undefined) this.lock.take(state.ticket.session)
    })
  }

  add(message: KeptMessage): void {
    this.trying(() => this.slot.add(message))
  }

  remove(upTo: number): void {
    this.trying(() => {
      for (; this.oldest <= upTo; this.oldest++) this.slot.remove(this.oldest)
    })
  }

  forget(): void {
    this.trying(() => {
      this.slot.clear()
      this.kept = nothing
      this.oldest = 1
      this.write()
    })
  }

  /** It is another page's after all. */
  yield(): void {
    this.state = "lost"
    this.found = undefined
  }

  /** The page may come back, or another one in its place. */
  leave(): void {
    this.trying(() => {
      this.write(this.owner)
      this.state = "left"
    })
    this.lock.drop()
  }

  /** The page has come back: the session is its own if nobody has claimed it. */
  comeBack(): void {
    if (this.state !== "left") return
    this.state = "mine"
    this.trying(() => {
      const head = this.slot.head
      if (head?.left !== this.owner) {
        this.state = "lost"
        return
      }
      this.write()
      if (this.kept.ticket !== undefined) this.lock.take(this.kept.ticket.session)
    })
  }
}

/** Claims the first slot that no page has. */
const claim = (options: StorageOptions, lock: SessionLock): StorageKeeper | undefined => {
  const owner = Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(12)))
  for (let index = 1; index <= slots; index++) {
    const slot = new StorageSlot(options.storage(), `${options.key}/${index}`)
    const { head } = slot
    if (head !== undefined && head.owner !== "" && options.now() - head.at < stale) continue
    return new StorageKeeper(options, slot, owner, lock)
  }
  return undefined
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

export const open = (options: StorageOptions): Effect.Effect<Keeper | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const lock = new SessionLock(options.locks, (effect) => {
      Runtime.runFork(runtime)(effect, { scope })
    })
    const full = new Error(`${slots} sessions are kept under the key ${JSON.stringify(options.key)} already`)
    for (;;) {
      const claimed = yield* Effect.either(Effect.try({ try: () => claim(options, lock), catch: (cause) => cause }))
      const keeper = Either.getOrUndefined(claimed)
      if (keeper === undefined) {
        options.failed(Either.isLeft(claimed) ? claimed.left : full)
        return undefined
      }
      yield* listening(keeper, options.page)
      const ticket = keeper.found?.ticket
      if (ticket === undefined || (yield* lock.claim(ticket.session))) return keeper
      // It stays claimed here, and the next slot is looked at.
      keeper.yield()
    }
  })
