/**
 * A client's publications that the server has not answered: written again, in
 * their order and under their keys, on each new connection.
 */
import * as Effect from "effect/Effect"
import type { Codec, Frame } from "../protocol/Codec.js"
import { NotSent, OutcomeUnknown, TopicRefused } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import * as Topic from "../topic/Topic.js"
import type { RequestQueue } from "./requestQueue.js"

export type Fate = NotSent | OutcomeUnknown | TopicRefused

interface Pending {
  readonly id: number
  readonly topic: string
  readonly key: string
  /** The server forgets it after a while, and would publish it a second time. */
  readonly isKeyed: boolean
  readonly frame: Frame
  /** Bytes of the body's JSON text. */
  readonly bodySize: number
  /** When it was written first, on the monotonic clock. */
  writtenAt: number | undefined
  readonly resume: (result: Effect.Effect<Protocol.Position, Fate>) => void
}

/** UTF-16 units of the longest key. */
const longestKey = 128

/** How much earlier than the server forgets a key it is not relied on any more, in milliseconds. */
const margin = 10_000

export class PublishQueue {
  /** Not answered, in their order. */
  private readonly pending = new Map<number, Pending>()
  private keyWindow = 0
  private ended: string | undefined

  constructor(
    private readonly codec: Codec,
    private readonly limits: () => Protocol.Limits,
    private readonly queue: RequestQueue,
    private readonly now: () => number
  ) {}

  /** Without a key, what published again does no harm. */
  publish(
    topic: string,
    key: string | undefined,
    body: unknown,
    bodySize: number
  ): Effect.Effect<Protocol.Position, Fate> {
    return Effect.suspend(() => {
      const flaw = Topic.flaw(Topic.presenceBase(topic) ?? topic)
      if (flaw !== undefined) return Effect.fail(new TopicRefused({ topic, code: "malformed-topic", reason: flaw }))
      if (key !== undefined && (key.length < 1 || key.length > longestKey)) {
        const reason = `a key has 1 to ${longestKey} characters`
        return Effect.fail(new TopicRefused({ topic, code: "malformed-key", reason }))
      }
      const keyed = key === undefined ? {} : { key }
      return this.positionOf({ id: this.queue.nextId(), topic, ...keyed, body }, bodySize)
    })
  }

  private positionOf(
    request: Omit<Protocol.Publish, "type">,
    bodySize: number
  ): Effect.Effect<Protocol.Position, Fate> {
    return Effect.async((resume) => {
      if (this.ended !== undefined) return resume(Effect.fail(new NotSent({ reason: this.ended })))
      const frame = this.codec.encode({ type: "publish", ...request })
      const { id, key = String(id), topic } = request
      const isKeyed = request.key !== undefined
      const pending = { id, topic, key, isKeyed, frame, bodySize, writtenAt: undefined, resume }
      this.pending.set(id, pending)
      this.ask(pending)
      return Effect.sync(() => {
        this.pending.delete(id)
        this.queue.withdraw(id)
      })
    })
  }

  private ask(pending: Pending): void {
    const { frame, id, key: name, topic } = pending
    this.queue.add({
      id,
      frame,
      publication: { topic, name },
      isWanted: () => {
        this.giveUp(pending)
        return this.pending.has(id)
      },
      written: () => {
        pending.writtenAt ??= this.now()
      }
    })
  }

  /** A connection is there; the server remembers a key for `keyWindow` milliseconds. */
  attached(keyWindow: number): void {
    this.keyWindow = keyWindow
    const pending = [...this.pending.values()]
    // Those that wait for the server's limits are told as well.
    for (const publication of pending) this.giveUp(publication)
    for (const publication of pending) if (this.pending.has(publication.id)) this.ask(publication)
  }

  /** Fails a publication that must not be written, now that it could be. */
  private giveUp({ bodySize, id, isKeyed, resume, topic, writtenAt }: Pending): void {
    const { maxMessage } = this.limits()
    if (bodySize > maxMessage) {
      this.pending.delete(id)
      const reason = `${bodySize} bytes, and the limit is ${maxMessage}`
      resume(Effect.fail(new TopicRefused({ topic, code: "too-large", reason })))
    } else if (isKeyed && writtenAt !== undefined && this.now() - writtenAt >= this.keyWindow - margin) {
      this.pending.delete(id)
      const reason = "no answer came for so long that publishing it again could publish it twice"
      resume(Effect.fail(new OutcomeUnknown({ reason })))
    }
  }

  published({ id, position }: Protocol.Published): void {
    this.answered(id, () => Effect.succeed(position))
  }

  refused(id: number, refusal: (topic: string) => TopicRefused): void {
    this.answered(id, (topic) => Effect.fail(refusal(topic)))
  }

  private answered(id: number, answer: (topic: string) => Effect.Effect<Protocol.Position, TopicRefused>): void {
    const found = this.pending.get(id)
    this.pending.delete(id)
    found?.resume(answer(found.topic))
  }

  end(reason: string): void {
    this.ended = reason
    const pending = [...this.pending.values()]
    this.pending.clear()
    for (const { resume, writtenAt } of pending) {
      resume(Effect.fail(writtenAt === undefined ? new NotSent({ reason }) : new OutcomeUnknown({ reason })))
    }
  }
}
