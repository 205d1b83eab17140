/**
 * A client's side of the rates: what it sends by its own wish is kept below
 * what the server allows. Who finds that a message does not fit is called when
 * it does, at exactly that millisecond, those who wait each in turn; one fiber
 * sleeps while anybody waits.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type * as Protocol from "../Protocol.js"
import { bytesAtOnce, messagesAtOnce, RateLimit, terms } from "./tokenBucket.js"

/** A queue of messages, of which one did not fit. */
export interface Paced {
  /** It fits now. */
  readonly paced: () => void
}

interface Waiter {
  readonly size: number
  readonly queue: Paced
}

type Asked = Pick<Protocol.Limits, "messageRate" | "byteRate">

/** Stays clear of the server's rate: heartbeats and a clock that runs differently must fit beside. */
const share = 0.95

/** What a server that names one of the two rates means by the other. */
const unlimited = 2 ** 30

/** A Node timer's longest delay: who waits longer is asked again then. */
const longest = 2 ** 31 - 1

export class Pacer {
  private asked: Asked = {}
  private limit: RateLimit | undefined
  private waiting: ReadonlyArray<Waiter> = []
  /** Whom it is the turn of: called just now, with nothing taken yet. */
  private called: Paced | undefined
  private alarm: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly clock: Clock.Clock,
    /** Runs a fiber that is interrupted with the scope of the client. */
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  /** The rates of the server, from now on. Those that it keeps go on where they are. */
  obey({ byteRate, messageRate }: Asked): void {
    if (byteRate === this.asked.byteRate && messageRate === this.asked.messageRate) return
    this.asked = {
      ...(byteRate === undefined ? {} : { byteRate }),
      ...(messageRate === undefined ? {} : { messageRate })
    }
    const of = (rate = unlimited, atOnce: (rate: number) => number) => terms(rate * share, atOnce(rate) * share)
    this.limit =
      byteRate === undefined && messageRate === undefined
        ? undefined
        : new RateLimit({ messages: of(messageRate, messagesAtOnce), bytes: of(byteRate, bytesAtOnce) }, this.now)
    this.disarm()
    this.call()
  }

  /** Whether this one waits already, so that `take` would refuse it whatever it asks for. */
  holds(queue: Paced): boolean {
    return this.waiting.some((waiter) => waiter.queue === queue)
  }

  /**
   * Whether the next message of a queue may go now; it counts as gone. If not,
   * `paced` is called when it may: the queue tries again then, if it still
   * wants to, and is first. Size is the frame's length, as the server counts.
   */
  take(size: number, queue: Paced): boolean {
    if (this.limit === undefined) return true
    if (this.holds(queue)) return false
    const isFirst = this.called === queue || this.waiting.length === 0
    if (isFirst && this.limit.take(size, this.now) === undefined) {
      this.called = undefined
      return true
    }
    this.waiting = [...this.waiting, { size, queue }]
    if (this.waiting.length === 1) this.arm(this.limit.wait(size, this.now))
    return false
  }

  /** This queue has nothing more to wait with, or something else. */
  leave(queue: Paced): void {
    const isFirst = this.waiting[0]?.queue === queue
    this.waiting = this.waiting.filter((waiter) => waiter.queue !== queue)
    if (!isFirst) return
    this.disarm()
    this.call()
  }

  /** Counts a message that does not wait for its turn, because there are only few of its kind. */
  charge(size: number): void {
    this.limit?.charge(size, this.now)
  }

  /** Nobody waits any more. */
  end(): void {
    this.waiting = []
    this.disarm()
  }

  private get now(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  private arm(delay: number): void {
    const rings = Effect.sync(() => {
      this.alarm = undefined
      this.call()
    })
    this.alarm = this.fork(Effect.zipRight(Effect.sleep(Math.min(delay, longest)), rings))
  }

  private disarm(): void {
    this.alarm?.unsafeInterruptAsFork(FiberId.none)
    this.alarm = undefined
  }

  /** Calls those whose message fits, until one must wait. */
  private call(): void {
    while (this.alarm === undefined) {
      const [first, ...rest] = this.waiting
      if (first === undefined) return
      const delay = this.limit?.wait(first.size, this.now) ?? 0
      if (delay > 0) return this.arm(delay)
      this.waiting = rest
      this.called = first.queue
      first.queue.paced()
      this.called = undefined
    }
  }
}

/** The scope interrupts what waits. */
export const make: Effect.Effect<Pacer, never, Scope.Scope> = Effect.map(
  Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]),
  ([clock, runtime, scope]) => new Pacer(clock, (effect) => Runtime.runFork(runtime)(effect, { scope }))
)
