/** Flow control: how much either end may have in flight, and how large a message may be. The server's limits hold for both directions. */
import type * as Protocol from "../protocol/Protocol.js"

/** Room for the envelopes of a full window, beside the bodies that count. */
const envelopeAllowance = 128

export class FlowControl {
  /** Bytes of the largest message to the peer: both ends allow it. */
  maxMessage: number
  /** Bytes of the largest that the peer takes, as far as it has said. */
  peerTakes = Number.POSITIVE_INFINITY

  constructor(public limits: Protocol.Limits) {
    this.maxMessage = limits.maxMessage
  }

  /** The server says what it allows. */
  obey(limits: Protocol.Limits): void {
    this.limits = limits
    this.maxMessage = limits.maxMessage
  }

  /** The client says what it takes. */
  heed(peerTakes: number): void {
    this.peerTakes = peerTakes
    this.maxMessage = Math.min(this.limits.maxMessage, peerTakes)
  }

  /** True when one more message may be in flight, which makes it so many bytes; the first always may. */
  fits(inFlight: number, bytes: number): boolean {
    return inFlight === 0 || (inFlight < this.limits.messages && bytes <= this.limits.bytes)
  }

  /** The reason to accuse a peer of more than it may have in flight, if frames of so many bytes are unprocessed here. */
  overrun(unprocessedSize: number): string | undefined {
    const { bytes, maxMessage, messages } = this.limits
    return unprocessedSize > Math.max(bytes, maxMessage) + messages * envelopeAllowance
      ? `more than ${bytes} bytes sent without waiting for acknowledgement`
      : undefined
  }

  /** True when a peer that has not heard of so many processed messages may soon have to wait for it. */
  isAckUrgent(behind: number): boolean {
    return behind * 4 >= this.limits.messages
  }
}
