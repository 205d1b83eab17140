/**
 * The client's side of making transports, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DialFailed, DialRefused } from "../protocol/ConnectionError.js"
import type { Transport } from "./Transport.js"

/**
 * The request for one transport: its URL, and the limits that it is made with.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRequest {
  /** `ws:` or `wss:`. */
  readonly url: string
  /** Subprotocols, in the order of preference. */
  readonly protocols: ReadonlyArray<string>
  /** Extra headers of the upgrade request; not possible in a browser. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Bytes of the largest message to accept; a larger one is closed with 1009. */
  readonly maxFrame: number
  /** Milliseconds for the peer to answer a close frame. */
  readonly closeTimeout: number
}

/**
 * Opens a transport. Interrupting the effect abandons the attempt at once; the
 * scope destroys the transport if it is still open.
 *
 * @since 0.1.0
 * @category services
 */
export class Dialer extends Context.Tag("holdfast/Dialer")<
  Dialer,
  {
    readonly dial: (request: DialRequest) => Effect.Effect<Transport, DialFailed | DialRefused, Scope.Scope>
  }
>() {}
