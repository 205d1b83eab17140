/** A session's record in the store, as far as its messages and its secret go: the store has each message before it leaves. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { SessionStore, StoredMessage } from "../../session/SessionStore.js"
import type { FencedStore, Outcome } from "./fencedStore.js"

interface Services {
  readonly store: SessionStore["Type"]
  /** Runs a fiber that the gateway supervises. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>
}

export class SessionRecord {
  /** The last append that the store did not answer at once, up to which message. */
  private last: { readonly fiber: Fiber.RuntimeFiber<Outcome>; readonly upTo: number } | undefined

  constructor(
    private readonly services: Services,
    private readonly id: string,
    private readonly fencedStore: FencedStore
  ) {}

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

  /** Once the session has moved away: whether this message is with it. `appended` is the last that the store is known to have. */
  isAppended<E>(seq: number | undefined, appended: number, inDoubt: E): Effect.Effect<boolean, E> {
    const { last } = this
    if (seq === undefined) return Effect.succeed(false)
    if (last === undefined || seq > last.upTo) return Effect.succeed(seq <= appended)
    return Effect.flatMap(Fiber.await(last.fiber), (exit) =>
      Exit.isFailure(exit) || exit.value === "InDoubt" ? Effect.fail(inDoubt) : Effect.succeed(exit.value === undefined)
    )
  }

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
