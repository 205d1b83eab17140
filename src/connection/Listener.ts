/**
 * The server's side of making transports, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionLost, ListenFailed } from "../protocol/ConnectionError.js"
import type { Transport } from "./Transport.js"

/**
 * A request, as it describes itself. Header names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeRequest {
  /** The request target, as the platform gives it: by `node:http` the path and the query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /**
   * The client's IP address alone, in canonical form (an IPv4-mapped one as the
   * IPv4 address): what limits for each address count by.
   */
  readonly address: string
  /** For people: the address with the client's port, where that is known. */
  readonly remoteAddress: string
  /** The subprotocols offered, in the client's order. */
  readonly protocols: ReadonlyArray<string>
}

/**
 * An upgrade that waits for its answer: exactly one of `accept` and `refuse`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Incoming {
  readonly request: UpgradeRequest
  /** Completes the upgrade with this subprotocol; `maxFrame` is the largest message, which `Transport.limit` changes. The transport is the caller's, who must see to its end. */
  readonly accept: (options: {
    readonly protocol: string
    /** Bytes. */
    readonly maxFrame: number
    /** Milliseconds for the peer to answer a close frame. */
    readonly closeTimeout: number
  }) => Effect.Effect<Transport, ConnectionLost>
  /** Answers with an HTTP status and a body in words. */
  readonly refuse: (status: number, body: string, headers?: Readonly<Record<string, string>>) => Effect.Effect<void>
}

/**
 * Where a gateway takes its connections from.
 *
 * @since 0.1.0
 * @category services
 */
export class Listener extends Context.Tag("holdfast/Listener")<
  Listener,
  {
    /** The URL that clients dial, such as `ws://127.0.0.1:8080/`. */
    readonly address: string
    /**
     * Hands each upgrade request to `handler` until the scope closes; from then
     * on upgrades are answered 503. The transports accepted live on. One handler at a time: a second fails.
     */
    readonly listen: (handler: (incoming: Incoming) => void) => Effect.Effect<void, ListenFailed, Scope.Scope>
  }
>() {}
