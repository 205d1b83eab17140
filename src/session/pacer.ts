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
import { monotonic } from "../connection/clocks.js"
import { bytesAtOnce, messagesAtOnce, TokenBucket, terms } from "../connection/tokenBucket.js"
import type * as Protocol from "../protocol/Protocol.js"

/** A queue of messages, of which one did not fit. */
export interface Paced {
  /** It fits now. */
  readonly paced: () => void
}

/** The kind that it is counted as, beside its bytes. */
export type Kind = "message" | "request" | "part"

interface Waiter {
  readonly size: number
  readonly kind: Kind
  readonly queue: Paced
}

type Asked = Pick<Protocol.Limits, "messageRate" | "byteRate" | "requestRate">

/** Stays clear of the server's rate: heartbeats and a clock that runs differently must fit beside. */
export const share = 0.95

/** The meaning of the other rates where a server names one. */
const unlimited = 2 ** 30

/** The counters: of a server that does not count requests by themselves, those are messages. Parts are counted by their bytes alone. */
interface Buckets {
  readonly part: TokenBucket
  readonly message: TokenBucket
  readonly request: TokenBucket
  readonly bytes: TokenBucket
}

const ownRate = (rate: number): number => rate

/** A Node timer's longest delay: who waits longer is asked again then. */
const longest = 2 ** 31 - 1

export class Pacer {
  private asked: Asked = {}
  private buckets: Buckets | undefined
  private waiting: ReadonlyArray<Waiter> = []
  /** The one whose turn it is: called just now, with nothing taken yet. */
  private called: Paced | undefined
  private isCalling = false
  private alarm: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly clock: Clock.Clock,
    /** Runs a fiber that is interrupted with the scope of the client. */
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  ) {}

  /**
   * The rates of the server, from now on. Those that it keeps go on where they are. Where requests have none of their own
   * they are messages.
   */
  obey({ byteRate, messageRate, requestRate: named }: Asked, hasOwnRequests = false): void {
    const { asked } = this
    const requestRate = hasOwnRequests ? (named ?? unlimited) : undefined
    if (byteRate === asked.byteRate && messageRate === asked.messageRate && requestRate === asked.requestRate) return
    this.asked = {
      ...(byteRate === undefined ? {} : { byteRate }),
      ...(messageRate === undefined ? {} : { messageRate }),
      ...(requestRate === undefined ? {} : { requestRate })
    }
    const { now } = this
    const of = (rate = unlimited, burst: (rate: number) => number) =>
      new TokenBucket(terms(rate * share, burst(rate) * share), now)
    const message = of(messageRate, messagesAtOnce)
    const request = requestRate === undefined ? message : of(requestRate, ownRate)
    const isPaced = byteRate !== undefined || messageRate !== undefined || requestRate !== undefined
    const part = of(unlimited, ownRate)
    this.buckets = isPaced ? { message, request, part, bytes: of(byteRate, bytesAtOnce) } : undefined
    this.disarm()
    this.call()
  }

  /** True when this one waits already, so that `take` would refuse it whatever it asks for. */
  holds(queue: Paced): boolean {
    return this.waiting.some((waiter) => waiter.queue === queue)
  }

  /**
   * True when the next message of a queue may go now; it counts as gone. If not,
   * `paced` is called when it may: the queue tries again then, if it still
   * wants to, and is first. Size is the frame's length, as the server counts.
   */
  take(size: number, queue: Paced, kind: Kind = "message"): boolean {
    const { buckets } = this
    if (buckets === undefined) return true
    if (this.holds(queue)) return false
    const { now } = this
    const isNext = this.called === queue || !this.isBehindAnother(buckets, kind, now)
    if (isNext && buckets[kind].fits(1, now) && buckets.bytes.fits(size, now)) {
      this.called = undefined
      buckets[kind].spend(1)
      buckets.bytes.spend(size)
      return true
    }
    this.waiting = [...this.waiting, { size, kind, queue }]
    // Whoever calls goes on with those that wait.
    if (!this.isCalling) this.rearm()
    return false
  }

  /** This queue has nothing more to wait with, or something else. */
  leave(queue: Paced): void {
    if (!this.holds(queue)) return
    this.waiting = this.waiting.filter((waiter) => waiter.queue !== queue)
    if (!this.isCalling) this.rearm()
  }

  /** Those of one kind go in turn; and none goes before one that waits for the bytes alone. */
  private isBehindAnother(buckets: Buckets, kind: Kind, now: number): boolean {
    return this.waiting.some((other) => buckets[other.kind] === buckets[kind] || buckets[other.kind].wait(1, now) === 0)
  }

  /** Counts a message that does not wait for its turn, because there are only few of its kind. */
  charge(size: number): void {
    const { buckets, now } = this
    if (buckets === undefined) return
    buckets.message.settle(now)
    buckets.bytes.settle(now)
    buckets.message.spend(1)
    buckets.bytes.spend(size)
  }

  /** Nobody waits any more. */
  end(): void {
    this.waiting = []
    this.disarm()
  }

  private get now(): number {
    return monotonic(this.clock)
  }

  private rearm(): void {
    this.disarm()
    this.call()
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

  /** The one whose message fits, or how long until one does. */
  private next(): Waiter | number {
    const { buckets, now } = this
    let least = longest
    let skipped: TokenBucket | undefined
    for (const waiter of this.waiting) {
      if (buckets === undefined) return waiter
      const counted = buckets[waiter.kind]
      if (counted === skipped) continue
      const countDelay = counted.wait(1, now)
      const delay = Math.max(countDelay, buckets.bytes.wait(waiter.size, now))
      if (delay === 0) return waiter
      least = Math.min(least, delay)
      // For the bytes it waits before all that come after it.
      if (countDelay === 0) return least
      skipped = counted
    }
    return least
  }

  /** Calls those whose message fits, until all must wait. */
  private call(): void {
    if (this.isCalling) return
    this.isCalling = true
    while (this.alarm === undefined && this.waiting.length > 0) {
      const next = this.next()
      if (typeof next === "number") {
        this.arm(next)
        break
      }
      this.waiting = this.waiting.filter((waiter) => waiter !== next)
      this.called = next.queue
      next.queue.paced()
      this.called = undefined
    }
    this.isCalling = false
  }
}

/** The scope interrupts what waits. */
export const make: Effect.Effect<Pacer, never, Scope.Scope> = Effect.map(
  Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]),
  ([clock, runtime, scope]) => new Pacer(clock, (effect) => Runtime.runFork(runtime)(effect, { scope }))
)
