/**
 * Dials with `ws`.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type { ClientOptions, WebSocket } from "ws"
import { wallTime } from "../connection/clocks.js"
import { Dialer, type DialRequest } from "../connection/Dialer.js"
import type { Transport } from "../connection/Transport.js"
import * as upgradeRefusal from "../connection/upgradeRefusal.js"
import { WebSocketTransport } from "../connection/webSocketTransport.js"
import { DialFailed, DialRefused, type InvalidOption } from "../protocol/ConnectionError.js"
import { oneLine } from "../protocol/oneLine.js"
import { shown as shownUrl } from "../protocol/url.js"
import { ClientTransport } from "./internal/clientTransport.js"
import { type DialerOptions, type Way, wayOf } from "./internal/dialerOptions.js"
import { ReasonedWebSocket } from "./internal/wsTransport.js"

export type { DialerOptions } from "./internal/dialerOptions.js"

/** As much of a refusal's body as is worth showing. */
const maxBody = 200

const retryAfterOf = (response: IncomingMessage, now: number): number | undefined => {
  const header = response.headers["retry-after"]
  if (header === undefined) return undefined
  // RFC 9110 §10.2.3: seconds, or a date.
  const millis = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(millis) ? Math.max(0, millis) : undefined
}

/** The reason, in a gateway's own word; who else answers has none. */
const refusalOf = ({ headers }: IncomingMessage): string | undefined =>
  headers[upgradeRefusal.header.toLowerCase()]?.toString().slice(0, maxBody)

const readBody = (response: IncomingMessage, done: (body: string) => void): void => {
  let body = ""
  let finished = false
  const finish = () => {
    if (finished) return
    finished = true
    done(oneLine(body, maxBody))
    response.destroy()
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    body = (body + chunk).slice(0, 4 * maxBody)
    if (body.length === 4 * maxBody) finish()
  })
  response.on("end", finish)
  response.on("close", finish)
  response.on("error", finish)
}

/**
 * The transport of a WebSocket whose handshake is over. Bun has a `ws` of its own in the place of the package, which tells of no
 * socket: there it is a WebSocket as pages have it.
 */
const transportOf = (
  ws: ReasonedWebSocket,
  socket: Socket | null | undefined,
  { maxFrame }: DialRequest,
  fork: (effect: Effect.Effect<void>) => void
): { readonly transport: Transport; readonly opened: () => void } => {
  if (socket === null || socket === undefined) {
    // Bun's, in the place of `ws`, tells no socket, and has the interface of a page's WebSocket, which the types of `ws` do not know.
    const transport = new WebSocketTransport(ws as unknown as globalThis.WebSocket, { maxFrame, fork })
    return { transport, opened: () => {} }
  }
  const transport = new ClientTransport(ws, socket, `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`)
  return { transport, opened: () => transport.opened(maxFrame) }
}

type Resume = (result: Effect.Effect<Transport, DialFailed | DialRefused>) => void

const open = (
  request: DialRequest,
  way: Way,
  now: () => number,
  fork: (effect: Effect.Effect<void>) => void,
  resume: Resume
): WebSocket => {
  // `closeTimeout` is missing from @types/ws.
  const options: ClientOptions & { readonly closeTimeout: number } = {
    ...way(request.url),
    headers: { ...request.headers },
    maxPayload: request.maxFrame,
    perMessageDeflate: false,
    autoPong: false,
    allowSynchronousEvents: true,
    closeTimeout: request.closeTimeout
  }
  const ws = new ReasonedWebSocket(request.url, [...request.protocols], options)
  ws.on("upgrade", (response) => {
    // Of an HTTP/1.1 client, so a net.Socket.
    const socket = response.socket as Socket | null | undefined
    const { opened, transport } = transportOf(ws, socket, request, fork)
    ws.on("open", () => {
      opened()
      resume(Effect.succeed(transport))
    })
  })
  ws.on("unexpected-response", (upgrade, response) => {
    const retryAfter = retryAfterOf(response, now())
    readBody(response, (body) => {
      upgrade.destroy()
      const { url } = request
      const status = response.statusCode ?? 0
      resume(Effect.fail(new DialRefused({ url, status, body, retryAfter, refusal: refusalOf(response) })))
    })
  })
  ws.on("error", (cause) => resume(Effect.fail(new DialFailed({ url: request.url, cause }))))
  return ws
}

/** The text of `ws` about a URL that is none, which shows it whole. */
const withoutUrl = (cause: unknown, url: string): unknown =>
  cause instanceof Error && cause.message.includes(url)
    ? new SyntaxError(cause.message.replaceAll(url, shownUrl(url)))
    : cause

const dialBy =
  (way: Way): Dialer["Type"]["dial"] =>
  (request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope]), ([clock, runtime, scope]) =>
        Effect.try({
          try: () => {
            let result: Effect.Effect<Transport, DialFailed | DialRefused> | undefined
            let waiting: Resume | undefined
            const ws = open(
              request,
              way,
              () => wallTime(clock),
              (effect) => void Runtime.runFork(runtime)(effect, { scope }),
              (first) => {
                result ??= first
                waiting?.(result)
              }
            )
            const opened = Effect.async<Transport, DialFailed | DialRefused>((resume) => {
              if (result !== undefined) resume(result)
              else waiting = resume
            })
            return { ws, opened }
          },
          // Not a URL, or not a subprotocol's name; or an option that has no effect on this URL.
          catch: (cause) => new DialFailed({ url: request.url, cause: withoutUrl(cause, request.url) })
        }).pipe(
          Effect.tap(({ ws }) => Effect.addFinalizer(() => Effect.sync(() => ws.terminate()))),
          Effect.flatMap(({ opened, ws }) =>
            Effect.onInterrupt(restore(opened), () => Effect.sync(() => ws.terminate()))
          )
        )
      )
    )

/**
 * `ws` as the Dialer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Dialer> = Layer.succeed(Dialer, { dial: dialBy(() => ({})) })

/**
 * `ws` as the Dialer, on a way of its own: through a proxy, by an agent, with certificates. An option that breaks its rule, or has
 * no effect beside another, fails with `InvalidOption`; certificates for a URL of `ws:` fail the attempt with `DialFailed`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: DialerOptions): Layer.Layer<Dialer, InvalidOption> =>
  Layer.effect(
    Dialer,
    Effect.map(wayOf(options), (way) => ({ dial: dialBy(way) }))
  )
