/**
 * The one fiber of a session, there while the session has something to do that
 * has to be waited for, and for a moment after: most sessions of a gateway are
 * idle, and a fiber that waits would be the largest part of one. What needs no
 * waiting is done without it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { IdleReaper, Idler } from "./idleReaper.js"
import type { Microtask, MicrotaskQueue } from "./microtaskQueue.js"

interface Host<R> {
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  readonly microtasks: MicrotaskQueue
  readonly idleReaper: IdleReaper
  /** Farewells that have not ended. */
  readonly farewells: Set<Fiber.RuntimeFiber<void>>
}

interface Working<R> {
  /** The session is over. */
  readonly ended: boolean
  /** There is something to do. */
  readonly hasWork: boolean
  /** Does what there is to do as far as that needs no fiber, and gives the rest. */
  readonly advance: () => Effect.Effect<void, never, R> | undefined
  /** The last thing, once. */
  readonly farewell: Effect.Effect<void, never, R>
}

/**
 * - `New`: it has not started, and the application has not heard of it.
 * - `Idle`: there is no fiber.
 * - `Waking`: there is one, which has not begun.
 * - `Working`: what there is to do is being done, by the fiber or without it.
 * - `Waiting`: the fiber waits for more.
 * - `Resting`: it was told to end, and has not yet.
 * - `Leaving`: its farewell has begun; to interrupt it would cut that off.
 */
type State = "New" | "Idle" | "Waking" | "Working" | "Waiting" | "Resting" | "Leaving"

export class HandlerFiber<R> implements Idler, Microtask {
  usedIn = 0
  private state: State = "New"
  private fiber: Fiber.RuntimeFiber<void> | undefined
  /** While it waits: has it go on with this. */
  private resume: ((rest: Effect.Effect<void, never, R>) => void) | undefined
  /** It proceeds as soon as what happens now is over. */
  private isDue = false

  constructor(
    private readonly host: Host<R>,
    private readonly session: Working<R>
  ) {}

  /** Does what there is to do now, as far as it needs no waiting; of a session that is over already, too. */
  start(): void {
    this.begin(Effect.suspend(() => this.session.advance() ?? Effect.void))
  }

  /** Starts where the application need not hear of it, and there is nothing to do. */
  startIdle(): void {
    this.state = "Idle"
  }

  /** There is something to do. */
  wake(): void {
    if (this.isDue || (this.state !== "Idle" && this.state !== "Waiting")) return
    this.isDue = true
    this.host.microtasks.add(this)
  }

  /** Does what there is to do, with the fiber where that has to be waited for. */
  proceed(): void {
    this.isDue = false
    const { state } = this
    if ((state !== "Idle" && state !== "Waiting") || this.session.ended) return
    this.state = "Working"
    const rest = this.session.advance()
    this.state = state
    if (this.session.ended) {
      // `end` has seen to a fiber that waits.
      if (state === "Idle") this.end()
    } else if (rest !== undefined) {
      if (state === "Idle") return this.begin(this.after(rest))
      this.state = "Working"
      this.resume?.(this.after(rest))
    }
  }

  /** It has waited long enough. */
  rest(): void {
    if (this.state !== "Waiting") return
    this.state = "Resting"
    this.resume?.(Effect.void)
  }

  /** The session is over: the farewell comes at once. */
  end(): void {
    if (this.state === "Idle") return this.begin(Effect.void)
    if (this.fiber === undefined) return // `begin` or `proceed` sees to it, or will
    this.track(this.fiber)
    if (this.state === "Working" || this.state === "Waiting") this.fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** The session ends in its own fiber, with the gateway's scope. */
  ending(): void {
    if (this.fiber !== undefined) this.track(this.fiber)
  }

  /** Waits until the session is over, or there is nothing to do. */
  get rested(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isDue) this.proceed()
      return this.fiber === undefined ? Effect.void : Effect.zipRight(Fiber.await(this.fiber), this.rested)
    })
  }

  private begin(work: Effect.Effect<void, never, R>): void {
    this.state = "Waking"
    const fiber = this.host.fork(this.run(work))
    // It may have done all there was, and another may have begun.
    if (fiber.unsafePoll() !== null || this.isIdle || this.fiber !== undefined) return
    this.fiber = fiber
    // What it has done by now may have ended the session.
    if (this.session.ended) this.end()
  }

  private get isIdle(): boolean {
    return this.state === "Idle"
  }

  private run(work: Effect.Effect<void, never, R>): Effect.Effect<void, never, R> {
    const worked = Effect.suspend(() => {
      this.state = "Working"
      return work
    })
    return Effect.onExit(worked, (exit) => {
      this.resume = undefined
      this.host.idleReaper.delete(this)
      if (this.session.ended || Exit.isFailure(exit)) {
        this.state = "Leaving"
        return this.session.farewell
      }
      this.state = "Idle"
      this.fiber = undefined
      // It came after the last look.
      if (this.session.hasWork) this.wake()
      return Effect.void
    })
  }

  /** Does this and what has come meanwhile, and waits for more. */
  private after(rest: Effect.Effect<void, never, R>): Effect.Effect<void, never, R> {
    return Effect.flatMap(rest, () => {
      if (this.session.ended) return Effect.void
      this.usedIn = this.host.idleReaper.round
      const more = this.session.hasWork ? this.session.advance() : undefined
      return more === undefined ? this.wakened : this.after(more)
    })
  }

  private get wakened(): Effect.Effect<void, never, R> {
    return Effect.async((resume) => {
      // It may have ended since the last look.
      if (this.session.ended) return resume(Effect.void)
      // And there may be more to do.
      if (this.session.hasWork) return resume(this.after(Effect.void))
      this.state = "Waiting"
      this.resume = resume
      this.host.idleReaper.add(this)
    })
  }

  private track(fiber: Fiber.RuntimeFiber<void>): void {
    const { farewells } = this.host
    if (farewells.has(fiber)) return
    farewells.add(fiber)
    fiber.addObserver(() => {
      farewells.delete(fiber)
      this.fiber = undefined
    })
  }
}
