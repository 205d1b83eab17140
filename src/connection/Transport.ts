/**
 * A duplex message pipe: what a platform must offer for one connection.
 *
 * A transport is callback-shaped, because every message passes here: nothing
 * in it may suspend or throw. `Connection` makes it a scoped resource.
 *
 * @since 0.1.0
 */
import type { Frame } from "../protocol/Codec.js"

/**
 * The way in which a transport closed. `clean` says that a close frame came from the peer;
 * without one `code` is 1006, or that of the violation. `violation` is set when the transport itself
 * found that the peer broke RFC 6455, and closed with `code`.
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseEvent {
  readonly code: number
  readonly reason: string
  readonly clean: boolean
  readonly violation?: boolean | undefined
  /** The platform's own error, where there was one. */
  readonly cause?: unknown
}

/**
 * Receives what happens to a transport, in order, never reentrantly from a
 * call into the transport. Nothing follows `closed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Receiver {
  readonly message: (frame: Frame) => void
  readonly ping: (payload: Uint8Array) => void
  readonly pong: (payload: Uint8Array) => void
  /** One of the frames came of which a message is made, with so many bytes of it; the message follows when it is whole. */
  readonly fragment?: ((size: number) => void) | undefined
  /** The bytes that came end within a frame, of so many bytes as far as its header has come. */
  readonly partial?: ((size: number) => void) | undefined
  /** Bytes are left waiting after a flush, or after some of those that waited have left: the network does not take them now. */
  readonly congested: () => void
  /** Nothing is waiting to leave any more: after each flush that left nothing, or only after `congested`. */
  readonly drained: () => void
  /** Exactly once. */
  readonly closed: (event: CloseEvent) => void
}

/**
 * One end of a WebSocket, as its platform has it: each call returns at once, and none throws.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  /** The negotiated subprotocol, or `""`. */
  readonly protocol: string
  /** The peer's address, as the platform knows it. */
  readonly remoteAddress: string
  /** Hands over what has happened since the transport was made, and all that follows. Called once. */
  readonly run: (receiver: Receiver) => void
  /** Queues a message; after the transport has closed it is dropped. */
  readonly send: (frame: Frame) => void
  /** Queues a protocol ping; `undefined` where the platform cannot (browsers). */
  readonly ping: ((payload: Uint8Array) => void) | undefined
  /** Queues the answer to a ping; `undefined` where the platform answers by itself. */
  readonly pong: ((payload: Uint8Array) => void) | undefined
  /** Starts the close handshake. `code` is sendable, `reason` fits into 123 bytes. */
  readonly close: (code: number, reason: string) => void
  /**
   * Takes messages of at most so many bytes from now on, counted over their fragments: a larger one is refused with 1009 as
   * soon as a frame's header says so, and closes as a violation. `undefined` where that cannot be changed.
   */
  readonly limit?: ((maxFrame: number) => void) | undefined
  /**
   * Called after `close`, of a peer that goes on sending: what still comes is dropped unread, and the connection is over once
   * what was sent has left. `undefined` where the platform cannot.
   */
  readonly discard?: (() => void) | undefined
  /** Drops the connection at once; `closed` follows. */
  readonly destroy: () => void
  /** Stops reading, so that the peer is pushed back. */
  readonly pause: () => void
  /** Reads again. */
  readonly resume: () => void
  /** Bytes accepted and not yet taken by the network. */
  readonly buffered: () => number
  /** Bytes accepted since the transport was made, those waiting included. */
  readonly accepted: () => number
  /**
   * Calls back once what had come before now has been told: a program that was held up finds its deadlines over before it
   * reads. `undefined` where the platform does not say.
   */
  readonly afterReads?: ((then: () => void) => void) | undefined
}
