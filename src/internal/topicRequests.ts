/** A client's requests about topics: answered one after the other, as far as the client reads the answers. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { CloseCode } from "../CloseCode.js"
import type { Resolved } from "../Options.js"
import type * as Protocol from "../Protocol.js"
import type { LiveConnection } from "./liveConnection.js"
import type { Outflow } from "./outflow.js"
import type { Bounds } from "./topicFeed.js"

export type Request = Protocol.Subscribe | Protocol.Unsubscribe | Protocol.Publish

/** Publications in flight, as many as messages may be, and every subscription changed a few times. */
export const mostRequests = ({ maxSubscriptions, replayMessages }: Resolved): number =>
  replayMessages + 3 * maxSubscriptions

export const tooManyRequests = "more requests sent without waiting for their answers than the limits allow"

export class TopicRequests<R> {
  private waiting: Array<{ readonly request: Request; readonly size: number }> = []
  private bytes = 0
  private answering: Fiber.RuntimeFiber<void> | undefined
  private isOpen = false
  private isOver = false

  constructor(
    private readonly bounds: Bounds,
    private readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>,
    /** Where answers go now; nowhere while no connection acts for the session. */
    private readonly outflow: () => Outflow | undefined,
    private readonly answer: (request: Request, outflow: Outflow) => Effect.Effect<void, never, R>
  ) {}

  /** They are answered from now on. */
  open(): void {
    this.isOpen = true
    this.next()
  }

  receive(request: Request, live: LiveConnection, size: number): void {
    if (this.waiting.length >= this.bounds.messages || this.bytes > this.bounds.bytes) {
      return live.violate(CloseCode.ProtocolViolation, tooManyRequests)
    }
    this.waiting.push({ request, size })
    this.bytes += size
    this.next()
  }

  /** Their connection is gone. What is being answered would be answered to nobody, but must not be cut short either. */
  clear(): void {
    this.waiting = []
    this.bytes = 0
  }

  stop(): void {
    this.isOver = true
    this.answering?.unsafeInterruptAsFork(FiberId.none)
    this.clear()
  }

  /** Waits until all were answered. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    this.answering === undefined ? Effect.void : Effect.zipRight(Fiber.await(this.answering), this.settled)
  )

  private next(): void {
    if (!this.isOpen || this.answering !== undefined || this.waiting.length === 0 || this.isOver) return
    const fiber = this.fork(this.answers)
    const done = fiber.unsafePoll()
    if (done !== null) {
      // A gateway that is closing runs nothing any more.
      if (done._tag === "Success") this.next()
      return
    }
    this.answering = fiber
    fiber.addObserver((exit) => {
      this.answering = undefined
      if (exit._tag === "Success") this.next()
    })
  }

  private readonly answers: Effect.Effect<void, never, R> = Effect.suspend(() => {
    const outflow = this.outflow()
    const next = this.waiting.shift()
    if (next === undefined || outflow === undefined) return Effect.void
    this.bytes -= next.size
    const { live } = outflow
    // Whoever does not read the answers is not asked to send more requests.
    const answered = live.isCongested
      ? Effect.flatMap(live.uncongested, () => this.answer(next.request, outflow))
      : this.answer(next.request, outflow)
    return Effect.flatMap(answered, () => this.answers)
  })
}
