/**
 * Listens with `node:http` or `node:https` and `ws`: on a port of its own, on one port with the routes of an
 * `@effect/platform` HttpServer, or on a server that the application has.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Listener } from "../connection/Listener.js"
import { type InvalidOption, ListenFailed } from "../protocol/ConnectionError.js"
import { trust } from "./internal/clientAddress.js"
import { HandedOver } from "./internal/foreignUpgrades.js"
import * as httpLimits from "./internal/httpLimits.js"
import { nothingHere, PathListener } from "./internal/pathListener.js"
import * as tlsOptions from "./internal/tlsOptions.js"
import { UpgradeRouter } from "./internal/upgradeRouter.js"

/**
 * The proxies of a server whose word is believed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TrustOptions {
  /**
   * Proxies whose `x-forwarded-for` is believed: IP addresses, ranges such as
   * `10.0.0.0/8`, or `loopback`. The header is read from right to left, and the
   * first address that is none of these is the client's. Without such a proxy
   * anyone can write the header, so by default nobody is believed.
   */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
}

/**
 * The address, and the limits, of a server that is made for listeners.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions extends TrustOptions {
  /** 0 picks a free one. */
  readonly port: number
  /** Default `127.0.0.1`; `0.0.0.0` or `::` listens on every interface. */
  readonly host?: string | undefined
  /** A certificate with its key makes it a server of `https:` and `wss:`. Default: `http:` and `ws:`. */
  readonly tls?: tlsOptions.ServerTls | undefined
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

/**
 * A server for one gateway.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListenOptions extends ServerOptions {
  /** The gateway's path: upgrades of it are the gateway's. Default `/`. */
  readonly path?: string | undefined
}

/**
 * A server whose upgrades belong to gateways by their paths.
 *
 * @since 0.1.0
 * @category services
 */
export class Server extends Context.Tag("holdfast/node/NodeListener/Server")<
  Server,
  {
    /** The Listener of a path, until the scope closes: a second one of the same path fails. */
    readonly listener: (path: string) => Effect.Effect<Listener["Type"], ListenFailed, Scope.Scope>
  }
>() {}

const makeListeners = (router: UpgradeRouter, base: string): Server["Type"] => {
  const taken = new Map<string, PathListener>()
  return {
    listener: (path) =>
      Effect.suspend(() => {
        const refused = (why: string) => new ListenFailed({ address: path, cause: new Error(why) })
        if (!/^\/[^?#]*$/.test(path)) return refused('a path starts with "/" and has neither "?" nor "#"')
        if (taken.get(path)?.isInUse === true) return refused("a gateway listens on this path already")
        const listener = new PathListener(path, router.trusted)
        taken.set(path, listener)
        router.add(path, listener.answers)
        return Effect.as(
          Effect.addFinalizer(() => Effect.sync(() => listener.stop())),
          { address: `${base}${path}`, listen: listener.listen }
        )
      })
  }
}

const urlOf = (isSecure: boolean, host: string, port: number): string =>
  `${isSecure ? "wss" : "ws"}://${host.includes(":") ? `[${host}]` : host}:${port}`

/** The host that a client on this machine dials. */
const dialable = (host: string): string => (host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host)

/** Holds up the upgrades of a server until the scope closes, and gives what answers those of others. */
const routed = (
  server: Http.Server,
  options: TrustOptions,
  handedOver?: HandedOver
): Effect.Effect<UpgradeRouter, InvalidOption, Scope.Scope> =>
  Effect.flatMap(trust(options.trustedProxies ?? []), (trusted) =>
    Effect.acquireRelease(
      Effect.sync(() => new UpgradeRouter(server, trusted, nothingHere, handedOver)),
      (router) => Effect.sync(() => router.remove())
    )
  )

/**
 * A server for gateways, each of which has a `layerPath`, and the platform's HttpServer, on one port:
 *
 * ```ts
 * const Main = Layer.mergeAll(
 *   ChatLive.pipe(Layer.provide(NodeListener.layerPath("/chat"))),
 *   FeedLive.pipe(Layer.provide(NodeListener.layerPath("/feed")))
 * ).pipe(Layer.provide(NodeListener.layerServer({ port: 8080 })))
 * ```
 *
 * What is not an upgrade of one of their paths goes to what `HttpServer.serve` serves. Fails with `ListenFailed` when the port
 * cannot be had, with `InvalidOption` when another option breaks its rule.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServer = (
  options: ServerOptions
): Layer.Layer<Server | HttpServer.HttpServer, ListenFailed | InvalidOption> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const { host = "127.0.0.1", port: asked, tls } = options
      const limits = yield* httpLimits.resolve(options)
      const server =
        tls === undefined
          ? Http.createServer(limits)
          : // As Node's own types have it, one of `https:` is no `Http.Server`; it emits and answers as one.
            (Https.createServer({ ...limits, ...(yield* tlsOptions.ofServer(tls)) }) as unknown as Http.Server)
      // `maxHeaderSize` bounds them. Node drops headers above a count without a word, and
      // with filler enough the one that a trusted proxy has put last would be dropped.
      server.maxHeadersCount = 0
      const handedOver = new HandedOver()
      const router = yield* routed(server, options, handedOver)
      const failed = (cause: unknown) => new ListenFailed({ address: `${host}:${asked}`, cause })
      if (!Number.isInteger(asked) || asked < 0 || asked > 65_535) {
        return yield* failed(new Error("a port is a whole number from 0 (any free one) to 65535"))
      }
      const http = yield* Effect.mapError(
        NodeHttpServer.make(() => server, { port: asked, host }),
        ({ cause }) => failed(cause)
      )
      // Before the server closes, which would wait for requests, keep-alive connections and what others have upgraded without a bound.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.closeAllConnections()
          handedOver.destroy()
        })
      )
      const port = http.address._tag === "TcpAddress" ? http.address.port : asked
      const listeners = makeListeners(router, urlOf(tls !== undefined, dialable(host), port))
      return Context.make(HttpServer.HttpServer, http).pipe(Context.add(Server, listeners))
    })
  )

/**
 * The application's own server of `node:http` or `node:https`, which listens already, for gateways that each have a `layerPath`.
 * Upgrades of their paths are the gateways', and do not reach whoever else listens for upgrades; all else is the
 * application's, as before, but for upgrades that nobody listens for: Node takes them for plain requests, and here they are
 * answered 404. When the scope closes the server is left as it was, and listens on.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServerOf = (
  server: Http.Server | Https.Server,
  options: TrustOptions = {}
): Layer.Layer<Server, ListenFailed | InvalidOption> =>
  Layer.scoped(
    Server,
    Effect.gen(function* () {
      const address = server.address()
      if (address === null || typeof address === "string") {
        const cause = new Error("the server listens on no port: call its `listen` first, and wait for it")
        return yield* new ListenFailed({ address: String(address), cause })
      }
      if (UpgradeRouter.isOn(server)) {
        const cause = new Error("a `layerServerOf` has this server already: provide that one to each `layerPath`")
        return yield* new ListenFailed({ address: urlOf(false, address.address, address.port), cause })
      }
      const isSecure = server instanceof Https.Server
      // As above: an `Https.Server` emits and answers as an `Http.Server`.
      const router = yield* routed(server as Http.Server, options)
      return makeListeners(router, urlOf(isSecure, dialable(address.address), address.port))
    })
  )

/**
 * The Listener of a path of a server, for one gateway.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPath = (path: string): Layer.Layer<Listener, ListenFailed, Server> =>
  Layer.scoped(
    Listener,
    Effect.flatMap(Server, (server) => server.listener(path))
  )

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
  layerPath(options.path ?? "/").pipe(
    Layer.provideMerge(layerServer(options)),
    Layer.map(Context.pick(Listener, HttpServer.HttpServer))
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
