/** What comes over one connection that is kept: decoded, heartbeats answered, the rest for whoever reads. */
import * as Either from "effect/Either"
import type { Frame } from "../../protocol/Codec.js"
import type { ConnectionEnd, MessageInvalid } from "../../protocol/ConnectionError.js"
import type { Sink } from "../live/sink.js"
import type { HeartbeatOptions } from "./kept.js"

/** Where it goes. */
export interface Outlets<Out, In> {
  readonly message: (message: In, size: number) => void
  /** The answer to a ping of this end's. */
  readonly pong: () => void
  /** The answer to a ping of the server's. */
  readonly answer: (message: Out) => void
  readonly invalid: (error: MessageInvalid) => void
  readonly ended: (end: ConnectionEnd) => void
}

export class Inbound<Out, In> implements Sink {
  constructor(
    private readonly decode: (frame: Frame) => Either.Either<ReadonlyArray<In>, MessageInvalid>,
    private readonly heartbeat: Pick<HeartbeatOptions<Out, In>, "isPong" | "answer">,
    private readonly to: Outlets<Out, In>
  ) {}

  message(frame: Frame): void {
    const decoded = this.decode(frame)
    if (Either.isLeft(decoded)) return this.to.invalid(decoded.left)
    for (const message of decoded.right) this.one(message, frame.length)
  }

  private one(message: In, size: number): void {
    const { heartbeat, to } = this
    if (heartbeat.isPong?.(message) === true) return to.pong()
    const answer = heartbeat.answer?.(message)
    if (answer === undefined) to.message(message, size)
    else to.answer(answer)
  }

  drained(): void {}

  ended(end: ConnectionEnd): void {
    this.to.ended(end)
  }
}
