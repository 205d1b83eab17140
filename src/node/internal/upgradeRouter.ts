/**
 * The upgrades of an HTTP server, by path: each gateway has those of its own, all others, and plain requests, go to whoever
 * else listens on the server. Where nobody else does, they are answered here.
 *
 * Who listens to a server's upgrades hears of all of them, and the platform's HttpServer answers each: so the choice must be
 * made before the event is emitted.
 */
import type * as Http from "node:http"
import type * as Https from "node:https"
import type { Duplex } from "node:stream"
import type { Trusted } from "./clientAddress.js"
import { type HandedOver, isAnswering } from "./foreignUpgrades.js"
import { believe } from "./upgradeRequest.js"

export interface Answers {
  readonly request: (request: Http.IncomingMessage, response: Http.ServerResponse) => void
  readonly upgrade: (request: Http.IncomingMessage, socket: Duplex, head: Buffer) => void
}

const pathOf = (url: string | undefined): string => {
  const path = (url ?? "/").split("?", 1)[0] ?? "/"
  return path === "" ? "/" : path
}

/** Node takes upgrades for plain requests unless somebody listens. */
const heed = (): void => {}

const drop = (socket: Duplex): void => {
  socket.on("error", () => {})
  socket.destroy()
}

export class UpgradeRouter {
  private readonly routes = new Map<string, Answers>()
  private readonly emit: Http.Server["emit"]

  constructor(
    private readonly server: Http.Server,
    readonly trusted: Trusted,
    /** Answers what nobody else listens for. */
    private readonly fallback: (paths: ReadonlyArray<string>) => Answers,
    /** Looks after the upgrades of others; on a server that is not ours nobody does. */
    private readonly handedOver?: HandedOver
  ) {
    this.emit = server.emit
    server.on("upgrade", heed)
    server.emit = (event: string, ...args: Array<unknown>) =>
      this.heard(event, args) || Reflect.apply(this.emit, server, [event, ...args])
  }

  /** True of a server that has a router. */
  static isOn(server: Http.Server | Https.Server): boolean {
    return server.listeners("upgrade").includes(heed)
  }

  /** The server is as it was before. */
  remove(): void {
    Reflect.deleteProperty(this.server, "emit")
    if (this.server.emit !== this.emit) this.server.emit = this.emit
    this.server.off("upgrade", heed)
  }

  /** From now on what comes of this path goes there, whatever went there before. */
  add(path: string, answers: Answers): void {
    this.routes.set(path, answers)
  }

  /** True when it was answered here. */
  private heard(event: string, args: ReadonlyArray<unknown>): boolean {
    if (event === "request") {
      const [request, response] = args as [Http.IncomingMessage, Http.ServerResponse]
      believe(request, this.trusted)
      // A page and its socket may share a path: only who upgrades wants the gateway.
      if (this.server.listenerCount("request") > 0) return false
      this.answersOf(request).request(request, response)
      return true
    }
    if (event === "upgrade") {
      const [request, socket, head] = args as [Http.IncomingMessage, Duplex, Buffer]
      const route = this.routes.get(pathOf(request.url))
      const isOthers = route === undefined && this.othersListen
      if (isOthers && this.handedOver === undefined) return false
      // Its answer would overtake the one to the request before it, or could never be given.
      if (isAnswering(socket)) drop(socket)
      else if (isOthers) {
        this.handedOver?.add(socket)
        return false
      } else this.answersOf(request).upgrade(request, socket, head)
      return true
    }
    return false
  }

  private get othersListen(): boolean {
    return this.server.listeners("upgrade").some((listener) => listener !== heed)
  }

  private answersOf(request: Http.IncomingMessage): Answers {
    return this.routes.get(pathOf(request.url)) ?? this.fallback([...this.routes.keys()])
  }
}
