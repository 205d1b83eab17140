/**
 * An HTTP server that a gateway shares: upgrades of its one path go there, all
 * others, and plain requests, to whoever else listens on the server. Where
 * nobody else does, a plain request of that path is the gateway's to answer.
 *
 * The platform's HttpServer answers every upgrade it hears of, so the choice
 * must be made before the event is emitted.
 */
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import type { Trusted } from "./clientAddress.js"
import { HandedOver, isAnswering } from "./foreignUpgrades.js"
import { believe } from "./upgradeRequest.js"

export interface Route {
  readonly path: string
  readonly request: (request: Http.IncomingMessage, response: Http.ServerResponse) => void
  readonly upgrade: (request: Http.IncomingMessage, socket: Duplex, head: Buffer) => void
}

const pathOf = (url: string | undefined): string => {
  const path = (url ?? "/").split("?", 1)[0] ?? "/"
  return path === "" ? "/" : path
}

type Answers = Pick<Route, "request" | "upgrade">

export class SharedServer extends Http.Server {
  private readonly handedOver = new HandedOver()
  route: Route | undefined
  /** Answers what nobody else listens for. */
  fallback: Answers | undefined

  constructor(
    options: Http.ServerOptions,
    private readonly trusted: Trusted
  ) {
    super(options)
    // `maxHeaderSize` bounds them. Node drops headers above a count without a word, and
    // with filler enough the one that a trusted proxy has put last would be dropped.
    this.maxHeadersCount = 0
    // Node takes upgrades for plain requests unless somebody listens.
    this.on("upgrade", () => {})
  }

  // biome-ignore lint/suspicious/noExplicitAny: EventEmitter's own signature
  override emit(event: any, ...args: Array<any>): boolean {
    if (event === "request") {
      const [request, response] = args as [Http.IncomingMessage, Http.ServerResponse]
      believe(request, this.trusted)
      // A page and its socket may share a path: only who upgrades wants the gateway.
      if (this.listenerCount("request") > 0) return super.emit(event, ...args)
      const target = this.isOurs(request) ? this.route : this.fallback
      if (target === undefined) return super.emit(event, ...args)
      target.request(request, response)
      return true
    }
    if (event === "upgrade") {
      const [request, socket, head] = args as [Http.IncomingMessage, Duplex, Buffer]
      // Its answer would overtake the one to the request before it, or could never be given.
      if (isAnswering(socket)) return this.drop(socket)
      const othersListen = this.listenerCount("upgrade") > 1
      const target = this.isOurs(request) ? this.route : othersListen ? undefined : this.fallback
      if (target === undefined) {
        this.handedOver.add(socket)
        return super.emit(event, ...args)
      }
      target.upgrade(request, socket, head)
      return true
    }
    return super.emit(event, ...args)
  }

  private drop(socket: Duplex): true {
    socket.on("error", () => {})
    socket.destroy()
    return true
  }

  /** With those that were upgraded by others, for which `close` would wait too. */
  override closeAllConnections(): void {
    super.closeAllConnections()
    this.handedOver.destroy()
  }

  private isOurs(request: Http.IncomingMessage): boolean {
    return this.route !== undefined && pathOf(request.url) === this.route.path
  }
}
