/**
 * A connection that acts for a session, or has: what it tells is for the session alone while it is the one, and of the
 * generation that it attached with.
 */
import type { Sink } from "../connection/live/sink.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { Frame } from "../protocol/Codec.js"
import type { ConnectionEnd } from "../protocol/ConnectionError.js"

/** A smaller fragment of a message counts as a message by itself: a flood of them would cost what its bytes do not say. */
const smallFragment = 1024

/** The session that hears. */
export interface Attachable {
  /** The connection that acts for it. */
  readonly live: LiveConnection | undefined
  readonly receive: (live: LiveConnection, generation: number, frame: Frame) => void
  /** A ping or pong of the WebSocket, or a small fragment. */
  readonly pinged: (live: LiveConnection, size: number) => void
  /** The peer has what it was introduced with. */
  readonly proved: (live: LiveConnection, generation: number) => void
  readonly drained: () => void
  readonly detach: (live: LiveConnection, generation: number, end: ConnectionEnd) => void
}

export class AttachedSink implements Sink {
  private proven = false

  constructor(
    private readonly session: Attachable,
    private readonly live: LiveConnection,
    private readonly generation: number
  ) {}

  message(frame: Frame): void {
    this.session.receive(this.live, this.generation, frame)
    if (this.proven || this.live.end !== undefined) return
    this.proven = true
    this.session.proved(this.live, this.generation)
  }

  pinged(size: number): void {
    this.session.pinged(this.live, size)
  }

  /** The bytes of all are counted with the message that they make; what many small ones cost besides is counted here. */
  fragment(size: number): void {
    if (size < smallFragment) this.session.pinged(this.live, 0)
  }

  drained(): void {
    if (this.session.live === this.live) this.session.drained()
  }

  ended(end: ConnectionEnd): void {
    this.session.detach(this.live, this.generation, end)
  }
}
