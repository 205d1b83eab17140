/**
 * A gateway's side of the rates: counts what one session's client sends,
 * through all of its connections, and ends the one that sends too fast. The
 * session stays. Of requests it counts the bytes alone: they wait for a rate
 * of their own (`requestIntake`); and of the parts of a message, but for the last.
 */

import type { LiveConnection } from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import { bytesAtOnce, messagesAtOnce, RateLimit, type Rates, terms } from "../connection/tokenBucket.js"
import { CloseCode } from "../protocol/CloseCode.js"
import { byteLength, type Codec, envelopeBytes, type Malformed } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"
import { isRequest } from "../protocol/requests.js"

/** Room for the envelopes of a full window, beside the bodies that count. */
const envelopeAllowance = 128

/** Within this a client that was too fast is asked to come back, in milliseconds. */
const leastRetryAfter = 1000
const mostRetryAfter = 30_000

/**
 * A ping and a pong of each end's, twice: what keeps the connection alive comes beside
 * what the client sends, and of a low rate a twentieth is less than that.
 */
const heartbeatAllowance = 4

/** True for a part that is not the last of its message. */
const isInnerPart = (message: Protocol.Message | Malformed): boolean =>
  message.type === "part" && message.at + byteLength(message.piece) < message.of

/** True for what takes its bytes alone: a request, and a piece that makes no message whole. */
export const isOfBytes = (message: Protocol.Message | Malformed): boolean =>
  isRequest(message) || message.type === "chunk" || isInnerPart(message)

/** The terms that all sessions of a gateway share. */
export interface InboundLimiterTerms {
  readonly rates: Rates
  readonly words: { readonly [K in keyof Rates]: string }
}

/**
 * The terms of what may be sent at once, and of the windows beside it, of messages and of requests: all
 * of that may arrive at once when the network has held it up. With it a client that sends
 * no more than its windows, at once 95% of that, and 95% of the rate, never sends too fast,
 * whatever the network does; a message larger than that included.
 */
export const inboundLimiterTerms = (options: Resolved): InboundLimiterTerms => {
  const { byteRate, maxMessage, messageRate, replayBytes, replayMessages } = options
  const bodies = Math.max(replayBytes, maxMessage)
  const windows = bodies + replayMessages * envelopeAllowance + bodies + 2 * envelopeBytes
  return {
    rates: {
      messages: terms(messageRate, messagesAtOnce(messageRate) + replayMessages + heartbeatAllowance),
      bytes: terms(byteRate, bytesAtOnce(byteRate) + windows + maxMessage)
    },
    words: { messages: `more than ${messageRate} messages a second`, bytes: `more than ${byteRate} bytes a second` }
  }
}

export class InboundLimiter {
  /** Made with the first message: who is only told things need not have it. */
  private limit: RateLimit | undefined

  constructor(
    private readonly terms: InboundLimiterTerms,
    private readonly codec: Codec
  ) {}

  /**
   * Counts a message that the connection has just heard, or its bytes alone, and whether it may be looked at; if not, the
   * connection ends.
   */
  admits(live: LiveConnection, size: number, isOfBytes = false): boolean {
    const now = live.lastActivity
    this.limit ??= new RateLimit(this.terms.rates, now)
    const lacking = isOfBytes ? this.limit.takeBytes(size, now) : this.limit.take(size, now)
    if (lacking === undefined) return true
    const reason = this.terms.words[lacking]
    const retryAfter = Math.min(mostRetryAfter, Math.max(leastRetryAfter, this.limit.untilFull(now)))
    live.write(this.codec.encode({ type: "goaway", retryAfter, reason }))
    live.violate(CloseCode.TooManyRequests, reason)
    return false
  }
}
