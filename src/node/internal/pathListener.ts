/** The Listener of one path of an HTTP server: completes its upgrades with `ws`, or refuses them. */
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import type { Incoming } from "../../connection/Listener.js"
import type { Transport } from "../../connection/Transport.js"
import * as upgradeRefusal from "../../connection/upgradeRefusal.js"
import { ConnectionLost, ListenFailed } from "../../protocol/ConnectionError.js"
import type { Trusted } from "./clientAddress.js"
import { ServerTransport } from "./serverTransport.js"
import { flaw, requestOf } from "./upgradeRequest.js"
import type { Answers } from "./upgradeRouter.js"
import { ReasonedWebSocket } from "./wsTransport.js"

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

export class PathListener {
  private handler: ((incoming: Incoming) => void) | undefined
  private stopped = false
  private readonly servers = new Map<string, WebSocketServer>()
  readonly answers: Answers

  constructor(
    private readonly path: string,
    private readonly trusted: Trusted
  ) {
    this.answers = { request: this.onRequest, upgrade: this.onUpgrade }
  }

  /** From now on its upgrades are answered 503. */
  stop(): void {
    this.handler = undefined
    this.stopped = true
  }

  /** Its gateway is there, or may yet come. */
  get isInUse(): boolean {
    return !this.stopped
  }

  private readonly onRequest: Answers["request"] = (_request, response) => {
    response.writeHead(426, { "Content-Type": "text/plain; charset=utf-8", Upgrade: "websocket", Connection: "close" })
    response.end("this is a WebSocket endpoint: send Upgrade: websocket\n")
  }

  private readonly onUpgrade: Answers["upgrade"] = (request, socket, head) => {
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
        return Effect.fail(new ListenFailed({ address: this.path, cause }))
      }
      this.handler = handler
      this.stopped = false
      return Effect.addFinalizer(() => Effect.sync(() => this.stop()))
    })
}

/** Answers for a server on which nobody else listens. */
export const nothingHere = (paths: ReadonlyArray<string>): Answers => {
  const said = `nothing is here; the gateway is at ${paths.join(" and ")}`
  return {
    request: (_request, response) => {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" })
      response.end(`${said}\n`)
    },
    upgrade: (_request, socket) => {
      socket.on("error", () => socket.destroy())
      refuseAs("not-found", socket, 404, said)
    }
  }
}
