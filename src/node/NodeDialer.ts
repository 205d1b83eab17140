/**
 * Dials with `ws`.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ClientOptions, WebSocket } from "ws"
import { DialFailed, DialRefused } from "../ConnectionError.js"
import { Dialer, type DialRequest } from "../Dialer.js"
import * as refused from "../internal/refused.js"
import type { Transport } from "../Transport.js"
import { ClientTransport } from "./internal/clientTransport.js"
import { ReasonedWebSocket } from "./internal/wsTransport.js"

/** As much of a refusal's body as is worth showing. */
const maxBody = 512

const retryAfterOf = (response: IncomingMessage, now: number): number | undefined => {
  const header = response.headers["retry-after"]
  if (header === undefined) return undefined
  // RFC 9110 §10.2.3: seconds, or a date.
  const millis = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(millis) ? Math.max(0, millis) : undefined
}

/** Why, in a gateway's own word; who else answers has none. */
const refusalOf = ({ headers }: IncomingMessage): string | undefined =>
  headers[refused.header.toLowerCase()]?.toString().slice(0, maxBody)

const readBody = (response: IncomingMessage, done: (body: string) => void): void => {
  let body = ""
  let finished = false
  const finish = () => {
    if (finished) return
    finished = true
    done(body.trim())
    response.destroy()
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    body = (body + chunk).slice(0, maxBody)
    if (body.length === maxBody) finish()
  })
  response.on("end", finish)
  response.on("close", finish)
  response.on("error", finish)
}

const open = (
  request: DialRequest,
  now: () => number,
  resume: (result: Effect.Effect<Transport, DialFailed | DialRefused>) => void
): WebSocket => {
  // `closeTimeout` is missing from @types/ws.
  const options: ClientOptions & { readonly closeTimeout: number } = {
    headers: { ...request.headers },
    maxPayload: request.maxFrame,
    perMessageDeflate: false,
    autoPong: false,
    allowSynchronousEvents: true,
    closeTimeout: request.closeTimeout
  }
  const ws = new ReasonedWebSocket(request.url, [...request.protocols], options)
  ws.on("upgrade", (response) => {
    const socket = response.socket as Socket // of an HTTP/1.1 client, so a net.Socket
    const transport = new ClientTransport(ws, socket, `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`)
    ws.on("open", () => {
      transport.opened(request.maxFrame)
      resume(Effect.succeed(transport))
    })
  })
  ws.on("unexpected-response", (upgrade, response) => {
    const retryAfter = retryAfterOf(response, now())
    readBody(response, (body) => {
      upgrade.destroy()
      const status = response.statusCode ?? 0
      resume(Effect.fail(new DialRefused({ url: request.url, status, body, retryAfter, refusal: refusalOf(response) })))
    })
  })
  ws.on("error", (cause) => resume(Effect.fail(new DialFailed({ url: request.url, cause }))))
  return ws
}

const dial = (request: DialRequest): Effect.Effect<Transport, DialFailed | DialRefused, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.clock, (clock) =>
      Effect.try({
        try: () => {
          let result: Effect.Effect<Transport, DialFailed | DialRefused> | undefined
          let waiting: ((result: Effect.Effect<Transport, DialFailed | DialRefused>) => void) | undefined
          const ws = open(
            request,
            () => clock.unsafeCurrentTimeMillis(),
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
        // Not a URL, or not a subprotocol's name.
        catch: (cause) => new DialFailed({ url: request.url, cause })
      }).pipe(
        Effect.tap(({ ws }) => Effect.addFinalizer(() => Effect.sync(() => ws.terminate()))),
        Effect.flatMap(({ opened, ws }) => Effect.onInterrupt(restore(opened), () => Effect.sync(() => ws.terminate())))
      )
    )
  )

/**
 * `ws` as the Dialer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Dialer> = Layer.succeed(Dialer, { dial })
