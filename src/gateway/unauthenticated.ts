/**
 * A client that has opened a connection and has no session on it yet: one hello is all there is to say, of a bounded size and in a
 * bounded number of frames.
 */

import type { Sink } from "../connection/live/sink.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import { CloseCode } from "../protocol/CloseCode.js"
import * as Codec from "../protocol/Codec.js"
import * as features from "../protocol/features.js"
import type * as Protocol from "../protocol/Protocol.js"

/** Fragments and cut reads in which a hello may come. */
const frameAllowance = 1024

/** A ping, a pong or an empty fragment counts for so many: 64 of them are more than heartbeats need. */
const emptyCost = 16

/** Milliseconds until who sent too many frames should come back. */
const retryAfter = 1000

const tooMany = "too many frames before the session begins"

/** Hears the hello, and then that the client waits for its answer. */
export class Unauthenticated implements Sink {
  private isHeard = false
  private frames = 0

  constructor(
    private readonly live: LiveConnection,
    private readonly codec: Codec.Codec,
    private readonly maxHello: number,
    private readonly heard: (hello: Protocol.Hello | undefined) => void
  ) {}

  message(frame: Codec.Frame): void {
    const { live } = this
    if (this.isHeard) return live.violate(CloseCode.ProtocolViolation, "a message before welcome")
    // A transport that knows no limit of its own has let it through.
    if (Codec.byteLength(frame) > this.maxHello) {
      return live.violate(CloseCode.MessageTooBig, `a hello has at most ${this.maxHello} bytes`)
    }
    const message = this.codec.decode(frame)
    switch (message.type) {
      case "malformed":
        return live.violate(message.code, message.reason)
      case "hello":
        this.isHeard = true
        live.features = features.shared(message.features)
        return this.heard(message)
      default:
        return live.violate(CloseCode.ProtocolViolation, `${message.type} before hello`)
    }
  }

  pinged(): void {
    this.count(emptyCost)
  }

  fragment(size: number): void {
    this.count(size === 0 ? emptyCost : 1)
  }

  partial(): void {
    this.count(1)
  }

  private count(cost: number): void {
    this.frames += cost
    if (this.frames <= frameAllowance) return
    this.live.write(this.codec.encode({ type: "goaway", retryAfter, reason: tooMany }))
    this.live.violate(CloseCode.TooManyRequests, tooMany)
  }

  drained(): void {}

  ended(): void {
    if (!this.isHeard) this.heard(undefined)
  }
}
