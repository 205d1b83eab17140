/**
 * Dials with the WebSocket of the page, or of the worker.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { Dialer, type DialRequest } from "../connection/Dialer.js"
import type { Transport } from "../connection/Transport.js"
import { WebSocketTransport } from "../connection/webSocketTransport.js"
import { DialFailed } from "../protocol/ConnectionError.js"

/**
 * `WebSocket`, or something that does as it does (WHATWG WebSockets).
 *
 * @since 0.1.0
 * @category models
 */
export type WebSocketConstructor = new (url: string, protocols: Array<string>) => WebSocket

const hidden = new Error("the browser does not tell a page why; its console and its network tab do")

const noHeaders = new Error("a browser sends no headers of the page's choice: put it into the token, or the URL")

/**
 * Dials with this constructor. A page is not told why a connection was refused: whatever it was fails as `DialFailed`. It may
 * not send headers of its own either: `headers` fails so, too.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (WebSocketOf: WebSocketConstructor): Dialer["Type"] => {
  const opened = (webSocket: WebSocket, request: DialRequest): Effect.Effect<void, DialFailed> =>
    Effect.async((resume) => {
      // Not by an AbortSignal: not everything that does as a WebSocket does knows of it.
      const forget = () => {
        webSocket.removeEventListener("open", onOpen)
        webSocket.removeEventListener("close", onClose)
      }
      const settle = (result: Effect.Effect<void, DialFailed>) => () => {
        forget()
        resume(result)
      }
      const onOpen = settle(Effect.void)
      const onClose = settle(new DialFailed({ url: request.url, cause: hidden }))
      webSocket.addEventListener("open", onOpen)
      webSocket.addEventListener("close", onClose)
      return Effect.sync(forget)
    })

  const dial = (request: DialRequest): Effect.Effect<Transport, DialFailed, Scope.Scope> =>
    Effect.gen(function* () {
      const { headers, maxFrame, protocols, url } = request
      if (headers !== undefined && Object.keys(headers).length > 0) {
        return yield* new DialFailed({ url, cause: noHeaders })
      }
      const runtime = yield* Effect.runtime<never>()
      const scope = yield* Effect.scope
      const fork = (effect: Effect.Effect<void>) => void Runtime.runFork(runtime)(effect, { scope })
      const dialled = Effect.try({
        try: () => {
          const webSocket = new WebSocketOf(url, [...protocols])
          return { webSocket, transport: new WebSocketTransport(webSocket, { maxFrame, fork }) }
        },
        // Not a URL, or `ws:` from a page of `https:`.
        catch: (cause) => new DialFailed({ url, cause })
      })
      const destroy = (transport: WebSocketTransport) => Effect.sync(() => transport.destroy())
      const { transport, webSocket } = yield* Effect.acquireRelease(dialled, ({ transport }) => destroy(transport))
      yield* Effect.onInterrupt(opened(webSocket, request), () => destroy(transport))
      return transport
    })

  return { dial }
}

/**
 * The WebSocket that is global where this runs, as the Dialer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Dialer> = Layer.sync(Dialer, () => make(globalThis.WebSocket))
