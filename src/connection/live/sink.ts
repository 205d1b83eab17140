/** The one who hears of a connection's frames while it is open. */
import type { Frame } from "../../protocol/Codec.js"
import type { ConnectionEnd } from "../../protocol/ConnectionError.js"

/** Called synchronously; must not throw. */
export interface Sink {
  readonly message: (frame: Frame) => void
  /** A ping or pong of the WebSocket came, with a payload of so many bytes. */
  readonly pinged?: (size: number) => void
  /** A fragment of a message came, with so many bytes of it. */
  readonly fragment?: (size: number) => void
  /** The bytes that came end within a frame. */
  readonly partial?: () => void
  /** The connection may be written to again. */
  readonly drained: () => void
  /** Once, as soon as the reason is known; the close handshake may still go on. */
  readonly ended: (end: ConnectionEnd) => void
}
