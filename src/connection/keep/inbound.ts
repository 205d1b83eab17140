/** What comes over one connection that is kept: decoded, heartbeats answered, the rest for whoever reads. */
import * as Either from "effect/Either"
import type { Frame } from "../../protocol/Codec.js"
import type { ConnectionEnd, MessageInvalid, MessageTooLarge } from "../../protocol/ConnectionError.js"
import type { Sink } from "../live/sink.js"
import type { LiveConnection } from "../liveConnection.js"

/** Messages as frames, and back. */
export interface Framing<Out, In> {
  readonly encode: (message: Out) => Either.Either<Frame, MessageInvalid | MessageTooLarge>
  readonly decode: (frame: Frame) => Either.Either<In, MessageInvalid>
}

/** Messages of the server's own protocol that keep the connection alive. */
export interface HeartbeatMessages<Out, In> {
  readonly isPong?: ((message: In) => boolean) | undefined
  readonly answer?: ((message: In) => Out | undefined) | undefined
}

export class Inbound<Out, In> implements Sink {
  constructor(
    private readonly live: LiveConnection,
    private readonly framing: Framing<Out, In>,
    private readonly heartbeat: HeartbeatMessages<Out, In>,
    private readonly on: {
      readonly message: (message: In, size: number) => void
      /** The answer to a ping of this end's. */
      readonly pong: () => void
      readonly invalid: (error: MessageInvalid) => void
      /** An answer of this end's cannot be sent. */
      readonly unsendable: (error: MessageInvalid | MessageTooLarge) => void
      readonly ended: (end: ConnectionEnd) => void
    }
  ) {}

  message(frame: Frame): void {
    const { framing, heartbeat, on } = this
    const decoded = framing.decode(frame)
    if (Either.isLeft(decoded)) return on.invalid(decoded.left)
    const message = decoded.right
    if (heartbeat.isPong?.(message) === true) return on.pong()
    const answer = heartbeat.answer?.(message)
    if (answer === undefined) on.message(message, frame.length)
    else this.write(answer)
  }

  /** For one who pings and does not read there is no answer. */
  private write(answer: Out): void {
    const encoded = this.framing.encode(answer)
    if (Either.isLeft(encoded)) this.on.unsendable(encoded.left)
    else if (!this.live.isCongested) this.live.write(encoded.right)
  }

  drained(): void {}

  ended(end: ConnectionEnd): void {
    this.on.ended(end)
  }
}
