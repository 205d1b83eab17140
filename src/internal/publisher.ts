/**
 * A client's publications that the server has not answered: written again, in
 * their order and under their keys, on each new connection.
 */
import * as Effect from "effect/Effect"
import type { Codec, Frame } from "../Codec.js"
import { byteLength } from "../Codec.js"
import { NotSent, OutcomeUnknown, TopicRefused } from "../ConnectionError.js"
import type * as Protocol from "../Protocol.js"
import type { LiveConnection } from "./liveConnection.js"
import type { Paced, Pacer } from "./pacer.js"

export type Fate = NotSent | OutcomeUnknown | TopicRefused

interface Pending {
  readonly id: number
  readonly topic: string
  readonly frame: Frame
  readonly size: number
  /** Bytes of the body's JSON text. */
  readonly bodySize: number
  /** When it was written first, in milliseconds since the epoch. */
  writtenAt: number | undefined
  readonly resume: (result: Effect.Effect<Protocol.Position, Fate>) => void
}

/** How much earlier than the server forgets a key it is not relied on any more, in milliseconds. */
const margin = 10_000

export class Publisher implements Paced {
  /** Not answered, in their order. */
  private readonly pending = new Map<number, Pending>()
  /** Those of them that are to be written to this connection. */
  private unwritten: Array<Pending> = []
  /** Written to this connection and not answered: their sizes. */
  private inFlight = new Map<number, number>()
  private bytesInFlight = 0
  private live: LiveConnection | undefined
  private keyWindow = 0
  private ended: string | undefined

  constructor(
    private readonly codec: Codec,
    private readonly limits: () => Protocol.Limits,
    private readonly pacing: Pacer,
    private readonly now: () => number,
    /** Other requests that the server has not answered. */
    private readonly others: () => number
  ) {}

  /** Requests that the server has not answered. */
  get unanswered(): number {
    return this.inFlight.size
  }

  /** `id` is larger than any before. */
  publish(request: Omit<Protocol.Publish, "type">, bodySize: number): Effect.Effect<Protocol.Position, Fate> {
    return Effect.async((resume) => {
      if (this.ended !== undefined) return resume(Effect.fail(new NotSent({ reason: this.ended })))
      const frame = this.codec.encode({ type: "publish", ...request })
      const { id, topic } = request
      const pending = { id, topic, frame, size: byteLength(frame), bodySize, writtenAt: undefined, resume }
      this.pending.set(id, pending)
      this.unwritten.push(pending)
      this.write()
      return Effect.sync(() => this.withdraw(pending))
    })
  }

  /** Nobody waits for its answer any more: it is not written, if it was not yet. */
  private withdraw(pending: Pending): void {
    this.pending.delete(pending.id)
    const isNext = this.unwritten[0] === pending
    this.unwritten = this.unwritten.filter((other) => other !== pending)
    if (!isNext) return
    // What waits for its turn is another one now, of another size.
    this.pacing.leave(this)
    this.write()
  }

  /** A connection is there; the server remembers a key for `keyWindow` milliseconds. */
  attached(live: LiveConnection, keyWindow: number): void {
    this.live = live
    this.keyWindow = keyWindow
    this.inFlight = new Map()
    this.bytesInFlight = 0
    for (const pending of [...this.pending.values()]) this.giveUp(pending)
    this.unwritten = [...this.pending.values()]
    this.write()
  }

  /** Fails a publication that must not be written, now that it could be. */
  private giveUp({ bodySize, id, resume, topic, writtenAt }: Pending): void {
    const { maxMessage } = this.limits()
    if (bodySize > maxMessage) {
      this.pending.delete(id)
      const reason = `${bodySize} bytes, and the limit is ${maxMessage}`
      resume(Effect.fail(new TopicRefused({ topic, code: "too-large", reason })))
    } else if (writtenAt !== undefined && this.now() - writtenAt >= this.keyWindow - margin) {
      this.pending.delete(id)
      const reason = "no answer came for so long that publishing it again could publish it twice"
      resume(Effect.fail(new OutcomeUnknown({ reason })))
    }
  }

  detached(): void {
    this.live = undefined
  }

  /** Writes what the connection and the server's limits take now. */
  write(): void {
    const { live } = this
    let next = this.unwritten[0]
    while (live !== undefined && next !== undefined && !live.isCongested && !this.pacing.holds(this)) {
      // It may have waited for its turn.
      if (this.pending.has(next.id)) this.giveUp(next)
      if (this.pending.has(next.id)) {
        if (!this.fits(next.size) || !this.pacing.take(next.frame.length, this)) return
        next.writtenAt ??= this.now()
        this.inFlight.set(next.id, next.size)
        this.bytesInFlight += next.size
        live.write(next.frame)
      }
      this.unwritten.shift()
      next = this.unwritten[0]
    }
  }

  /** The server's rates allow the next one. */
  paced(): void {
    this.write()
  }

  private fits(size: number): boolean {
    const { bytes, messages } = this.limits()
    if (this.inFlight.size === 0) return true
    return this.inFlight.size + this.others() < messages && this.bytesInFlight + size <= bytes
  }

  published({ id, position }: Protocol.Published): void {
    this.answered(id, () => Effect.succeed(position))
  }

  refused(id: number, refusal: (topic: string) => TopicRefused): void {
    this.answered(id, (topic) => Effect.fail(refusal(topic)))
  }

  private answered(id: number, answer: (topic: string) => Effect.Effect<Protocol.Position, TopicRefused>): void {
    const size = this.inFlight.get(id)
    if (size === undefined) return
    this.inFlight.delete(id)
    this.bytesInFlight -= size
    const found = this.pending.get(id)
    this.pending.delete(id)
    found?.resume(answer(found.topic))
    this.write()
  }

  end(reason: string): void {
    this.ended = reason
    const pending = [...this.pending.values()]
    this.pending.clear()
    this.unwritten = []
    for (const { resume, writtenAt } of pending) {
      resume(Effect.fail(writtenAt === undefined ? new NotSent({ reason }) : new OutcomeUnknown({ reason })))
    }
  }
}
