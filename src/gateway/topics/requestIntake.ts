/**
 * A client's requests about topics: answered one after the other, so many a second, as far as the client reads the
 * answers. The others wait unread.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Resolved } from "../../connection/Options.js"
import { TokenBucket, terms } from "../../connection/tokenBucket.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Request } from "../../protocol/requests.js"

/** The connection that answers go to. */
export interface Addressee {
  readonly live: LiveConnection
}

export interface RequestsOptions<A extends Addressee, R> {
  readonly limits: Pick<
    Resolved,
    "maxMessage" | "maxRequests" | "maxSubscriptions" | "replayBytes" | "replayMessages" | "requestRate"
  >
  /** In milliseconds. */
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  /** Nobody while no connection acts for the session. */
  readonly addressee: () => A | undefined
  readonly answer: (request: Request, addressee: A) => Effect.Effect<void, never, R>
}

/** The limit of a client that is not told it, as it always was: its window of publications, and each subscription changed a few times. */
const untold = ({ maxSubscriptions, replayMessages }: Pick<Resolved, "maxSubscriptions" | "replayMessages">): number =>
  replayMessages + 3 * maxSubscriptions

const tooMany = "more requests sent without waiting for their answers than the limits allow"

/** An answer of this many bytes costs as much again as the request. */
const dearBytes = 4096

/** A Node timer's longest delay: one who waits longer is looked at again then. */
const longest = 2 ** 31 - 1

/** The cost of an answer, beside that of the request: each further 4 KiB of its answer is charged like another one. */
export class AnswerCost {
  private bytes = 0

  constructor(private readonly charge: (requests: number) => void) {}

  add(bytes: number): void {
    const before = Math.floor(this.bytes / dearBytes)
    this.bytes += bytes
    const more = Math.floor(this.bytes / dearBytes) - before
    if (more > 0) this.charge(more)
  }
}

export class RequestIntake<A extends Addressee, R> {
  private waiting: Array<{ readonly request: Request; readonly size: number }> = []
  private bytes = 0
  private answering: Fiber.RuntimeFiber<void> | undefined
  /** Sleeps until the rate allows the next one. */
  private alarm: Fiber.RuntimeFiber<void> | undefined
  /** The session's, through all of its connections. */
  private readonly rate: TokenBucket
  private isOpen = false
  private isOver = false

  constructor(private readonly options: RequestsOptions<A, R>) {
    const { requestRate } = options.limits
    this.rate = new TokenBucket(terms(requestRate, requestRate), options.now())
  }

  /** They are answered from now on. */
  open(): void {
    this.isOpen = true
    this.next()
  }

  receive(request: Request, live: LiveConnection, size: number): void {
    const { limits } = this.options
    const isTold = live.features.has("request-limits")
    const most = isTold ? limits.maxRequests : Math.max(limits.maxRequests, untold(limits))
    if (this.waiting.length >= most || this.bytes > Math.max(limits.replayBytes, limits.maxMessage)) {
      return live.violate(CloseCode.ProtocolViolation, tooMany)
    }
    this.waiting.push({ request, size })
    this.bytes += size
    this.next()
  }

  /** Counts what is written in answer to one request. */
  cost(): AnswerCost {
    return new AnswerCost((requests) => {
      this.rate.settle(this.options.now())
      this.rate.spend(requests)
    })
  }

  /** Their connection is gone. What is being answered would be answered to nobody, but must not be cut short either. */
  clear(): void {
    this.waiting = []
    this.bytes = 0
    this.alarm?.unsafeInterruptAsFork(FiberId.none)
    this.alarm = undefined
  }

  stop(): void {
    this.isOver = true
    this.answering?.unsafeInterruptAsFork(FiberId.none)
    this.clear()
  }

  /** Waits until all were answered. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() => {
    const busy = this.answering ?? this.alarm
    return busy === undefined ? Effect.void : Effect.zipRight(Fiber.await(busy), this.settled)
  })

  private next(): void {
    if (!this.isOpen || this.isOver || this.waiting.length === 0) return
    if (this.answering !== undefined || this.alarm !== undefined) return
    const delay = this.rate.wait(1, this.options.now())
    if (delay > 0) return this.sleep(delay)
    const fiber = this.options.fork(this.answers)
    // Most are answered by now: to wait for that would cost a turn of the scheduler (12 µs) a request.
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

  private sleep(delay: number): void {
    const wakes = Effect.sync(() => {
      this.alarm = undefined
      this.next()
    })
    this.alarm = this.options.fork(Effect.zipRight(Effect.sleep(Math.min(delay, longest)), wakes))
  }

  private readonly answers: Effect.Effect<void, never, R> = Effect.suspend(() => {
    const addressee = this.options.addressee()
    const [next] = this.waiting
    if (next === undefined || addressee === undefined || !this.rate.fits(1, this.options.now())) return Effect.void
    this.waiting.shift()
    this.bytes -= next.size
    this.rate.spend(1)
    const { live } = addressee
    // Whoever does not read the answers is not asked to send more requests; data that goes on and on holds up none.
    const answered =
      live.end === undefined && live.isCongested
        ? Effect.flatMap(live.room, () => this.options.answer(next.request, addressee))
        : this.options.answer(next.request, addressee)
    return Effect.flatMap(answered, () => this.answers)
  })
}
