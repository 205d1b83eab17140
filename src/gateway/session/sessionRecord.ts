/**
 * A session's record in the store: its messages, each before it leaves; what was processed, before that is acknowledged; its
 * secret. Where the store offers `immediate`, in the very step in which it is asked for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Codec } from "../../protocol/Codec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Progress, SessionStore, StoredMessage } from "../../session/SessionStore.js"
import type { SessionDriver } from "../../session/sessionDriver.js"
import type { FencedStore, Outcome } from "./fencedStore.js"
import { type Refusals, said } from "./refusals.js"

interface Services {
  readonly store: SessionStore["Type"]
  /** Runs a fiber that the gateway supervises. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>
}

export class SessionRecord {
  /** The last append that the store did not answer at once, up to which message. */
  private last: { readonly fiber: Fiber.RuntimeFiber<Outcome>; readonly upTo: number } | undefined

  /** The client's acknowledgements, as far as the store was told. */
  private storedAcked = 0
  /** What was processed, as far as the store was told. */
  private noted: number
  /** While the store is asked to note what was processed. */
  private noting: Fiber.RuntimeFiber<void> | undefined
  /** True where what it notes is acknowledged at once. */
  private isUrgent = false
  /** The connection takes nothing now, and there is something to be said before it is acknowledged. */
  private isHeldBack = false

  constructor(
    private readonly services: Services,
    private readonly id: string,
    private readonly fencedStore: FencedStore,
    private readonly driver: SessionDriver,
    private readonly refusals: Refusals
  ) {
    this.noted = driver.state.recorded
  }

  // ---- its messages

  /** Appends them, one call at a time, and calls back with a success, or with a failure after which the session is over. */
  append(messages: ReadonlyArray<StoredMessage>, done: (exit: Exit.Exit<unknown, unknown>) => void): void {
    const { fork, store } = this.services
    const told = store.append.immediate?.(this.id, this.fencedStore.generation, messages)
    if (told?._tag === "Success") return done(told)
    const fiber = fork(this.fencedStore.run((generation) => store.append(this.id, generation, messages)))
    // It may have answered already; waiting for that would cost a turn of the scheduler (12 µs) a message.
    const exit = fiber.unsafePoll()
    if (exit !== null) return done(exit)
    this.last = { fiber, upTo: messages.at(-1)?.seq ?? 0 }
    fiber.addObserver(done)
  }

  /** Once the session has moved away: whether this message is with it. */
  isAppended<E>(seq: number | undefined, inDoubt: E): Effect.Effect<boolean, E> {
    const { last } = this
    const { appended } = this.driver.state
    if (seq === undefined) return Effect.succeed(false)
    if (last === undefined || seq > last.upTo) return Effect.succeed(seq <= appended)
    return Effect.flatMap(Fiber.await(last.fiber), (exit) =>
      Exit.isFailure(exit) || exit.value === "InDoubt" ? Effect.fail(inDoubt) : Effect.succeed(exit.value === undefined)
    )
  }

  // ---- what was processed

  /**
   * Has the store note what was processed, so that it may be acknowledged: `now`, or when that is convenient. What comes
   * meanwhile is handled, however long the store takes: a client sends no more than its window without an acknowledgement.
   */
  note(now: boolean): void {
    this.isUrgent ||= now
    if (this.noting !== undefined || this.noteImmediately()) return
    const fiber = this.services.fork(this.noteAll())
    // The store may have answered already; waiting for that would cost a turn of the scheduler (12 µs) a message.
    if (fiber.unsafePoll() !== null) return
    this.noting = fiber
    fiber.addObserver(() => {
      this.noting = undefined
    })
  }

  /** Waits until the store has noted what was processed, or the session is over. */
  get settled(): Effect.Effect<void> {
    return Effect.suspend(() => (this.noting === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.noting))))
  }

  /** Until nothing more was processed while the store answered. */
  private noteAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { driver, fencedStore, id } = this
      const { acked, processed } = driver.state
      const now = this.isUrgent
      this.isUrgent = false
      this.storedAcked = acked
      const noted = fencedStore.run((generation) =>
        this.services.store.acknowledge(id, generation, this.progress(acked, processed))
      )
      return Effect.flatMap(noted, () => {
        if (fencedStore.isOver) return Effect.void
        this.noted = processed
        this.tell(now)
        return driver.state.processed > processed || this.isUrgent ? this.noteAll() : Effect.void
      })
    })
  }

  /** Does so without waiting, and tells whether that was all there is to do. */
  private noteImmediately(): boolean {
    const { driver, fencedStore, id } = this
    const { acked, processed } = driver.state
    if (processed === this.noted && acked === this.storedAcked) {
      this.isUrgent = false
      return true
    }
    const progress = this.progress(acked, processed)
    const noted = this.services.store.acknowledge.immediate?.(id, fencedStore.generation, progress)
    if (noted?._tag !== "Success") return false
    this.storedAcked = acked
    this.noted = processed
    this.tell(this.isUrgent)
    this.isUrgent = false
    return true
  }

  private progress(acked: number, processed: number): Progress {
    const refused = this.refusals.between(this.noted, processed)
    return refused.length === 0
      ? { acked, processed }
      : { acked, processed, refused: { messages: refused, most: this.refusals.window } }
  }

  // ---- what the client is told of it

  /** Acknowledges what the store has noted; what was refused of it is said before, and waits for a connection that takes it. */
  private tell(now: boolean): void {
    const { driver, noted } = this
    const refused = this.refusals.between(driver.state.recorded, noted)
    if (refused.length > 0 && driver.live?.isCongested === true) {
      this.isHeldBack = true
      return
    }
    this.isHeldBack = false
    for (const one of refused) driver.say(said(one))
    driver.recorded(noted, now)
  }

  /** The connection takes something again, or is gone. */
  drained(): void {
    if (this.isHeldBack) this.tell(true)
  }

  /** The messages that were refused, and of which a client that comes now may not know. */
  missed(oldest: number, most: number, codec: Codec): ReadonlyArray<Protocol.Refusal> | undefined {
    this.isHeldBack = false
    // They are in the welcome, whatever was said on the connection before.
    this.driver.recorded(this.noted, false)
    return this.refusals.missed(oldest, this.noted, most, codec)
  }

  /** The session is over. */
  end(): void {
    this.noting?.unsafeInterruptAsFork(FiberId.none)
  }

  // ---- its secret

  /** The client has the secret of this generation, and of no later one: the store may be told only that. */
  confirm(generation: number): void {
    const { fork, store } = this.services
    if (store.confirm.immediate?.(this.id, generation)._tag === "Success") return
    fork(
      Effect.catchAll(store.confirm(this.id, generation), (error) =>
        error._tag === "Fenced"
          ? Effect.void
          : Effect.logWarning(`holdfast: session ${this.id} keeps its old secret: ${error.message}`)
      )
    )
  }
}
