/**
 * The one fiber of a session, there while the session has something to do and
 * for a moment after: most sessions of a gateway are idle, and a fiber that
 * waits would be the largest part of one.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { Lingerer, Lingering } from "./lingering.js"

interface Host<R> {
  /** Run a fiber that the gateway supervises: at once, or when what happens now is over. */
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  readonly forkLater: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  readonly lingering: Lingering
  /** Farewells that have not ended. */
  readonly farewells: Set<Fiber.RuntimeFiber<void>>
}

interface Working<R> {
  /** The session is over. */
  readonly ended: boolean
  /** There is something to do. */
  readonly hasWork: boolean
  /** Does what there is to do. */
  readonly work: Effect.Effect<void, never, R>
  /** The last thing, once. */
  readonly farewell: Effect.Effect<void, never, R>
}

/**
 * - `New`: it has not started, and the application has not heard of it.
 * - `Idle`: there is no fiber.
 * - `Waking`: there is one, which has not begun.
 * - `Working`: it does what there is to do.
 * - `Waiting`: it waits for more.
 * - `Resting`: it was told to end, and has not yet.
 * - `Leaving`: its farewell has begun; to interrupt it would cut that off.
 */
type State = "New" | "Idle" | "Waking" | "Working" | "Waiting" | "Resting" | "Leaving"

export class SessionFiber<R> implements Lingerer {
  usedIn = 0
  private state: State = "New"
  private fiber: Fiber.RuntimeFiber<void> | undefined
  /** While it waits: has it go on, or end. */
  private resume: ((goOn: Effect.Effect<boolean>) => void) | undefined

  constructor(
    private readonly host: Host<R>,
    private readonly session: Working<R>
  ) {}

  /** Does what there is to do now, as far as it needs no waiting; of a session that is over already, too. */
  start(): void {
    this.begin(this.host.fork)
  }

  /** Starts where the application need not hear of it, and there is nothing to do. */
  startIdle(): void {
    this.state = "Idle"
  }

  /** There is something to do. */
  wake(): void {
    if (this.state === "Idle") {
      this.begin(this.host.forkLater)
    } else if (this.state === "Waiting") {
      this.state = "Working"
      this.resume?.(goOn)
    }
  }

  /** It has waited long enough. */
  rest(): void {
    if (this.state !== "Waiting") return
    this.state = "Resting"
    this.resume?.(end)
  }

  /** The session is over: the farewell comes at once. */
  end(): void {
    if (this.state === "Idle") return this.begin(this.host.fork)
    if (this.fiber === undefined) return // `begin` sees to it, or will
    this.track(this.fiber)
    if (this.state === "Working" || this.state === "Waiting") this.fiber.unsafeInterruptAsFork(FiberId.none)
  }

  /** The session ends in its own fiber, with the gateway's scope. */
  ending(): void {
    if (this.fiber !== undefined) this.track(this.fiber)
  }

  /** Waits until the session is over, or there is nothing to do. */
  get rested(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.fiber === undefined ? Effect.void : Effect.zipRight(Fiber.await(this.fiber), this.rested)
    )
  }

  private begin(fork: Host<R>["fork"]): void {
    const isNew = this.state === "New"
    this.state = "Waking"
    const fiber = fork(this.run(isNew))
    // It may have done all there was, and another may have begun.
    if (fiber.unsafePoll() !== null || this.isIdle || this.fiber !== undefined) return
    this.fiber = fiber
    // What it has done by now may have ended the session.
    if (this.session.ended) this.end()
  }

  private get isIdle(): boolean {
    return this.state === "Idle"
  }

  private run(isNew: boolean): Effect.Effect<void, never, R> {
    return Effect.onExit(isNew ? this.turn : this.turns, (exit) => {
      this.resume = undefined
      this.host.lingering.delete(this)
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

  private get turn(): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      this.state = "Working"
      return this.session.work
    })
  }

  /** Works, and waits for more to do. */
  private get turns(): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      if (this.session.ended) return Effect.void
      this.state = "Working"
      this.usedIn = this.host.lingering.round
      return Effect.zipRight(this.session.work, this.more)
    })
  }

  private get more(): Effect.Effect<void, never, R> {
    return Effect.suspend(() => {
      if (this.session.ended) return Effect.void
      if (this.session.hasWork) return this.turns
      return Effect.flatMap(this.wakened, (goOn) => (goOn ? this.turns : Effect.void))
    })
  }

  private get wakened(): Effect.Effect<boolean> {
    return Effect.async((resume) => {
      // It may have come since the last look, if the fiber has let others run.
      if (this.session.hasWork || this.session.ended) return resume(goOn)
      this.state = "Waiting"
      this.resume = resume
      this.host.lingering.add(this)
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

const goOn = Effect.succeed(true)
const end = Effect.succeed(false)
