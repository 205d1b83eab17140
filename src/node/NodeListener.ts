/**
 * Listens with `node:http` and `ws`, alone or on one port with the routes of
 * an `@effect/platform` HttpServer.
 *
 * @since 0.1.0
 */
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import { type Incoming, Listener } from "../connection/Listener.js"
import type { Transport } from "../connection/Transport.js"
import * as upgradeRefusal from "../connection/upgradeRefusal.js"
import { ConnectionLost, type InvalidOption, ListenFailed } from "../protocol/ConnectionError.js"
import { type Trusted, trust } from "./internal/clientAddress.js"
import * as httpLimits from "./internal/httpLimits.js"
import { ServerTransport } from "./internal/serverTransport.js"
import { flaw, requestOf } from "./internal/upgradeRequest.js"
import { type Route, SharedServer } from "./internal/upgradeRouter.js"
import { ReasonedWebSocket } from "./internal/wsTransport.js"

/**
 * The address, and the limits, of a server that is made for the listener.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenOptions {
  /** 0 picks a free one. */
  readonly port: number
  /** Default `127.0.0.1`; `0.0.0.0` or `::` listens on every interface. */
  readonly host?: string | undefined
  /** The gateway's path: upgrades of it are the gateway's. Default `/`. */
  readonly path?: string | undefined
  /**
   * Proxies whose `x-forwarded-for` is believed: IP addresses, ranges such as
   * `10.0.0.0/8`, or `loopback`. The header is read from right to left, and the
   * first address that is none of these is the client's. Without such a proxy
   * anyone can write the header, so by default nobody is believed.
   */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /**
   * Bytes of a request's target, header names and header values together: one
   * that reaches it is answered 431 as soon as it does. Default 16 KiB.
   */
  readonly maxHeaderSize?: number | undefined
  /**
   * Time for a request's headers, counted from its first byte, and time for the
   * first byte that a new connection sends. Who takes longer is answered 408 and
   * dropped: at most a tenth of the time later, and never more than a second.
   * Default 10 seconds.
   */
  readonly headersTimeout?: Duration.DurationInput | undefined
}

const answer = (
  socket: Duplex,
  status: number,
  reason: string,
  body: string,
  headers: Readonly<Record<string, string>>
): void => {
  const lines = Object.entries({
    Connection: "close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    ...headers
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join("")}\r\n${body}`, () => socket.destroy())
}

const statusText: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  426: "Upgrade Required",
  429: "Too Many Requests",
  503: "Service Unavailable"
}

const refuse = (socket: Duplex, status: number, body: string, headers: Readonly<Record<string, string>> = {}): void =>
  answer(socket, status, statusText[status] ?? "Refused", `${body}\n`, headers)

/** Refuses by the listener's own intent. */
const refuseAs = (
  code: upgradeRefusal.Code,
  socket: Duplex,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {}
): void => refuse(socket, status, body, { ...headers, [upgradeRefusal.header]: code })

type AcceptOptions = Parameters<Incoming["accept"]>[0]

const webSocketServer = (options: AcceptOptions): WebSocketServer => {
  // `closeTimeout` is missing from @types/ws.
  const serverOptions: ConstructorParameters<typeof WebSocketServer>[0] & { readonly closeTimeout: number } = {
    noServer: true,
    WebSocket: ReasonedWebSocket,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    allowSynchronousEvents: true,
    maxPayload: options.maxFrame,
    closeTimeout: options.closeTimeout,
    handleProtocols: () => options.protocol
  }
  return new WebSocketServer(serverOptions)
}

/** Made when it is needed: the stack of an error is a good part of what an upgrade costs. */
const left = (): Effect.Effect<never, ConnectionLost> =>
  Effect.fail(new ConnectionLost({ cause: new Error("the peer left during the upgrade") }))

class NodeListener {
  private handler: ((incoming: Incoming) => void) | undefined
  private stopped = false
  private readonly servers = new Map<string, WebSocketServer>()
  readonly route: Route

  constructor(
    path: string,
    private readonly trusted: Trusted
  ) {
    this.route = { path, request: this.onRequest, upgrade: this.onUpgrade }
  }

  private readonly onRequest: Route["request"] = (_request, response) => {
    response.writeHead(426, { "Content-Type": "text/plain; charset=utf-8", Upgrade: "websocket", Connection: "close" })
    response.end("this is a WebSocket endpoint: send Upgrade: websocket\n")
  }

  private readonly onUpgrade: Route["upgrade"] = (request, socket, head) => {
    // A peer that resets while its upgrade is looked at is no error of the server's.
    socket.on("error", () => socket.destroy())
    const found = flaw(request)
    if (found !== undefined) return refuseAs("handshake", socket, ...found)
    if (this.handler === undefined) {
      const later = { "Retry-After": "1" }
      return this.stopped
        ? refuseAs("restart", socket, 503, "the gateway is shutting down", later)
        : refuseAs("not-ready", socket, 503, "the gateway is not ready", later)
    }
    this.handler(this.incoming(request, socket, head))
  }

  private incoming(request: Http.IncomingMessage, socket: Duplex, head: Buffer): Incoming {
    const said = requestOf(request, this.trusted)
    const accept = (options: AcceptOptions) => this.accept(request, socket, head, options, said.remoteAddress)
    return {
      request: said,
      accept,
      refuse: (status, body, headers) => Effect.sync(() => refuse(socket, status, body, headers))
    }
  }

  private accept(
    request: Http.IncomingMessage,
    socket: Duplex,
    head: Buffer,
    options: AcceptOptions,
    remoteAddress: string
  ): Effect.Effect<Transport, ConnectionLost> {
    return Effect.suspend((): Effect.Effect<Transport, ConnectionLost> => {
      if (socket.destroyed) return left()
      let answer: Effect.Effect<Transport, ConnectionLost> | undefined
      let tell = (told: Effect.Effect<Transport, ConnectionLost>): void => {
        answer = told
      }
      const lost = () => tell(left())
      const key = `${options.protocol} ${options.maxFrame} ${options.closeTimeout}`
      const server = this.servers.get(key) ?? webSocketServer(options)
      this.servers.set(key, server)
      socket.once("close", lost)
      server.handleUpgrade(request, socket, head, (ws) => {
        socket.off("close", lost)
        // As the option has it; and the socket of an HTTP server is a net.Socket.
        const [reasoned, net] = [ws as ReasonedWebSocket, socket as Net.Socket]
        tell(Effect.succeed(new ServerTransport(reasoned, net, remoteAddress, options.maxFrame)))
      })
      // `ws` has answered by now, as a rule.
      return (
        answer ??
        Effect.async((resume) => {
          if (answer !== undefined) resume(answer)
          else tell = resume
        })
      )
    })
  }

  readonly listen = (handler: (incoming: Incoming) => void): Effect.Effect<void, ListenFailed, Scope.Scope> =>
    Effect.suspend(() => {
      if (this.handler !== undefined) {
        const cause = new Error("a gateway listens on this path already")
        return Effect.fail(new ListenFailed({ address: this.route.path, cause }))
      }
      this.handler = handler
      this.stopped = false
      return Effect.addFinalizer(() =>
        Effect.sync(() => {
          this.handler = undefined
          this.stopped = true
        })
      )
    })
}

const makeServer = (
  path: string,
  trusted: Trusted,
  limits: Http.ServerOptions
): { readonly server: SharedServer; readonly listener: NodeListener } => {
  const server = new SharedServer(limits, trusted)
  const listener = new NodeListener(path, trusted)
  server.route = listener.route
  server.fallback = {
    request: (_request, response) => {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" })
      response.end(`nothing is here; the gateway is at ${path}\n`)
    },
    upgrade: (_request, socket) => {
      socket.on("error", () => socket.destroy())
      refuseAs("not-found", socket, 404, `nothing is here; the gateway is at ${path}`)
    }
  }
  return { server, listener }
}

const address = (host: string, port: number, path: string): string =>
  `ws://${host.includes(":") ? `[${host}]` : host}:${port}${path}`

/** The host that a client on this machine dials. */
const dialable = (host: string): string => (host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host)

/**
 * The Listener and the platform's HttpServer on one port: the gateway has the
 * upgrades of its `path`, every other request goes to what `HttpServer.serve`
 * serves, plain ones of that path included: a page and its socket may share
 * it. Where nothing is served, they are answered 426 and all others 404. Fails
 * with `ListenFailed` when the port cannot be had, with `InvalidOption` when
 * another option breaks its rule.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttp = (
  options: ListenOptions
): Layer.Layer<Listener | HttpServer.HttpServer, ListenFailed | InvalidOption> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const host = options.host ?? "127.0.0.1"
      const path = options.path ?? "/"
      if (!/^\/[^?#]*$/.test(path)) {
        const cause = new Error('a path starts with "/" and has neither "?" nor "#"')
        return yield* new ListenFailed({ address: path, cause })
      }
      const trusted = yield* trust(options.trustedProxies ?? [])
      const { listener, server } = makeServer(path, trusted, yield* httpLimits.resolve(options))
      const failed = (cause: unknown) => new ListenFailed({ address: `${host}:${options.port}`, cause })
      const { port: asked } = options
      if (!Number.isInteger(asked) || asked < 0 || asked > 65_535) {
        return yield* failed(new Error("a port is a whole number from 0 (any free one) to 65535"))
      }
      const http = yield* Effect.mapError(
        NodeHttpServer.make(() => server, { port: asked, host }),
        ({ cause }) => failed(cause)
      )
      // Before the server closes, which would wait for requests and keep-alive connections without a bound.
      yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
      const port = http.address._tag === "TcpAddress" ? http.address.port : asked
      return Context.make(HttpServer.HttpServer, http).pipe(
        Context.add(Listener, { address: address(dialable(host), port, path), listen: listener.listen })
      )
    })
  )

/**
 * The Listener alone on a port: a plain request of the gateway's path is
 * answered 426, any other 404. Fails as `layerHttp` does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: ListenOptions): Layer.Layer<Listener, ListenFailed | InvalidOption> =>
  Layer.project(layerHttp(options), Listener, Listener, (listener) => listener)
