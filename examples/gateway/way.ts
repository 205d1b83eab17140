/** One direction of a connection that can be silenced or slowed: what it holds back, it passes on in order. */
import { Effect, type Fiber, FiberId } from "effect"

/** `Silent` gives nothing on; `Slow` gives each thing on `delay` milliseconds after it came. */
export type Mode =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Silent" }
  | { readonly _tag: "Slow"; readonly delay: number }

export const open: Mode = { _tag: "Open" }

/** Time, and fibers that live as long as the transport needs them. */
export interface Surroundings {
  readonly now: () => number
  /** Starts in a later task, never within the call. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

interface Held {
  readonly at: number
  readonly size: number
  readonly pass: () => void
}

/** One direction. */
export class Way {
  /** Bytes that are held back. */
  bytes = 0
  private held: Array<Held> = []
  private fiber: Fiber.RuntimeFiber<void> | undefined
  private mode: Mode = open
  private isPaused = false

  constructor(
    private readonly surroundings: Surroundings,
    /** Something was passed on. */
    private readonly passed: () => void
  ) {}

  get isEmpty(): boolean {
    return this.held.length === 0
  }

  private get isStuck(): boolean {
    return this.isPaused || this.mode._tag === "Silent"
  }

  put(size: number, pass: () => void): void {
    if (this.isEmpty && this.mode._tag === "Open" && !this.isPaused) return pass()
    this.held.push({ at: this.surroundings.now(), size, pass })
    this.bytes += size
    if (this.fiber === undefined && !this.isStuck) this.start()
  }

  become(mode: Mode): void {
    this.mode = mode
    this.restart()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.restart()
  }

  /** Forgets what is held. */
  clear(): void {
    this.held = []
    this.bytes = 0
    this.mode = open
    this.isPaused = false
    this.stop()
  }

  private stop(): void {
    if (this.fiber !== undefined) this.fiber.unsafeInterruptAsFork(FiberId.none)
    this.fiber = undefined
  }

  private restart(): void {
    this.stop()
    if (!this.isEmpty && !this.isStuck) this.start()
  }

  private start(): void {
    this.fiber = this.surroundings.fork(this.passing)
  }

  /** Passes on what is due, until there is nothing to wait for. */
  private readonly passing: Effect.Effect<void> = Effect.suspend(() => {
    const wait = this.passDue()
    if (wait !== undefined) return Effect.delay(this.passing, wait)
    this.fiber = undefined
    return Effect.void
  })

  /** Milliseconds until more is due. */
  private passDue(): number | undefined {
    while (!this.isStuck) {
      const [next] = this.held
      if (next === undefined) return undefined
      const delay = this.mode._tag === "Slow" ? this.mode.delay : 0
      const wait = next.at + delay - this.surroundings.now()
      if (wait > 0) return wait
      this.held.shift()
      this.bytes -= next.size
      next.pass()
      this.passed()
    }
    return undefined
  }
}
