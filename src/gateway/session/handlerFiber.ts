/**
 * The fiber in which a session's handler runs over what has come, one message at a time: there while the handler waits for
 * something. What a handler does in one step, however it is written, is done before `proceed` returns; a session that is idle
 * has no fiber.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Farewells } from "./farewells.js"
import type { Microtask, MicrotaskQueue } from "./microtaskQueue.js"

interface Services<R> {
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void, unknown, R>) => Fiber.RuntimeFiber<void, unknown>
  /** The same, of one that outlives those of `fork` when the gateway ends. */
  readonly forkLast: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  readonly microtasks: MicrotaskQueue
  readonly farewells: Farewells
}

interface Working<R> {
  /** The session is over. */
  readonly ended: boolean
  /** Gives what is to be run next, now that what it gave before has succeeded; nothing where there is nothing to do. */
  readonly advance: () => Effect.Effect<void, unknown, R> | undefined
  /** What it gave has failed, of itself: gives what is to be run now, if anything. */
  readonly failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void, unknown, R> | undefined
  /** The last thing, once. */
  readonly farewell: Effect.Effect<void, never, R>
}

/**
 * - `New`: it has not started, and the application has not heard of the session.
 * - `Idle`: there is nothing to do.
 * - `Due`: it looks for what there is to do as soon as what happens now is over.
 * - `Working`: what there is to do is being done, in this very step.
 * - `Waiting`: the same, by a fiber that waits for something.
 * - `Leaving`: its farewell has begun.
 */
type Phase =
  | { readonly _tag: "New" }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Due" }
  | { readonly _tag: "Working" }
  | { readonly _tag: "Waiting"; readonly fiber: Fiber.RuntimeFiber<void, unknown> }
  | { readonly _tag: "Leaving"; readonly fiber: Fiber.RuntimeFiber<void> }

const fresh: Phase = { _tag: "New" }
const idle: Phase = { _tag: "Idle" }
const due: Phase = { _tag: "Due" }
const working: Phase = { _tag: "Working" }

export class HandlerFiber<R> implements Microtask {
  private phase: Phase = fresh

  constructor(
    private readonly services: Services<R>,
    private readonly session: Working<R>
  ) {}

  /** Does what there is to do now; of a session that is over already, too. */
  start(): void {
    this.phase = working
    this.run(this.session.advance())
  }

  /** Starts where the application need not hear of it, and there is nothing to do. */
  startIdle(): void {
    this.phase = idle
  }

  /** There is something to do. */
  wake(): void {
    if (this.phase._tag !== "Idle") return
    this.phase = due
    this.services.microtasks.add(this)
  }

  /** Does what there is to do. */
  proceed(): void {
    if (this.phase._tag !== "Due") return
    this.phase = working
    this.run(this.session.advance())
  }

  /** The session is over: the farewell comes at once, or as soon as what is being done is cut off. */
  end(): void {
    const { phase } = this
    switch (phase._tag) {
      case "Idle":
      case "Due":
        return this.leave()
      case "Waiting":
        this.services.farewells.add(phase.fiber)
        return phase.fiber.unsafeInterruptAsFork(FiberId.none)
      default: // `start` and `run` see to it
    }
  }

  /** Waits until the session is over, or there is nothing to do. */
  get rested(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.proceed()
      const { phase } = this
      if (phase._tag === "Leaving") return Effect.asVoid(Fiber.await(phase.fiber))
      return phase._tag === "Waiting" ? Effect.zipRight(Fiber.await(phase.fiber), this.rested) : Effect.void
    })
  }

  /** Runs this, and then what there is to do next, as far as nothing has to be waited for. */
  private run(first: Effect.Effect<void, unknown, R> | undefined): void {
    for (let rest = first; rest !== undefined; ) {
      const fiber = this.services.fork(this.all(rest))
      // Most handlers are done by now: to wait for that would cost a turn of the scheduler (12 µs) a message.
      const exit = fiber.unsafePoll()
      if (exit === null) return this.waitFor(fiber)
      rest = this.after(exit)
    }
    if (this.session.ended) this.leave()
    else this.phase = idle
  }

  /** This, and what there is to do next: a burst of messages is handled in one fiber. */
  private all(rest: Effect.Effect<void, unknown, R>): Effect.Effect<void, unknown, R> {
    return Effect.flatMap(rest, () => {
      const next = this.session.advance()
      return next === undefined ? Effect.void : this.all(next)
    })
  }

  private waitFor(fiber: Fiber.RuntimeFiber<void, unknown>): void {
    this.phase = { _tag: "Waiting", fiber }
    fiber.addObserver((exit) => {
      this.phase = working
      this.run(this.after(exit))
    })
    // What it has done by now may have ended the session.
    if (this.session.ended) this.end()
  }

  private after(exit: Exit.Exit<void, unknown>): Effect.Effect<void, unknown, R> | undefined {
    return exit._tag === "Success" ? this.session.advance() : this.session.failed(exit.cause)
  }

  private leave(): void {
    const fiber = this.services.forkLast(this.session.farewell)
    this.phase = { _tag: "Leaving", fiber }
    this.services.farewells.add(fiber)
  }
}
