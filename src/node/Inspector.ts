/**
 * A page on which operators see a gateway live: its sessions, topics, figures
 * and fellow gateways; and may disconnect a session. It is served on the
 * gateway's own port, to those whom `authenticate` lets in: by default nobody.
 *
 * @since 0.1.0
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Gateway, Principal } from "../gateway/GatewaySession.js"
import { InvalidOption } from "../protocol/ConnectionError.js"
import * as app from "./inspector/app.js"
import * as guard from "./inspector/guard.js"
import * as sampler from "./inspector/sampler.js"
import { WrongPasswords } from "./inspector/wrongPasswords.js"

/**
 * Lets a request through, or says why not: `NotAuthenticated` is answered 401, `NotAllowed` 403, with the reason.
 *
 * @since 0.1.0
 * @category models
 */
export type Authenticate<R = never> = guard.Authenticate<R>

/**
 * The options of the inspector.
 *
 * @since 0.1.0
 * @category models
 */
export interface InspectorOptions<R = never> {
  /** The path that it is mounted at. Default `/inspector`. */
  readonly path?: `/${string}` | undefined
  /**
   * Looks at every request, those for the page's own files included, and is interrupted when who asks leaves. A request is
   * answered 503 after ten seconds, this included. An address whose `Authorization` was refused with `NotAuthenticated` five
   * times within a minute is answered 429 without asking. Default: nobody is let in.
   */
  readonly authenticate?: Authenticate<R> | undefined
  /** The challenge of a 401 in `WWW-Authenticate`, so that a browser asks its user. Default: nothing. */
  readonly challenge?: string | undefined
}

/**
 * Options that ask for a password by HTTP's Basic authentication, with any user name: over TLS, or on a network that is
 * trusted. An empty password lets nobody in.
 *
 * ```ts
 * const options = Effect.map(Config.redacted("INSPECTOR_PASSWORD"), (password) => ({
 *   path: "/inspector",
 *   ...Inspector.basic(password)
 * }))
 * ```
 *
 * @since 0.1.0
 * @category authentication
 */
export const basic = (
  password: Redacted.Redacted
): { readonly authenticate: Authenticate; readonly challenge: string } => ({
  authenticate: guard.basic(password),
  challenge: guard.basicChallenge
})

/**
 * Starts an inspector, and gives its routes, to be added to those that `HttpServer.serve` serves:
 *
 * ```ts
 * const Routes = Layer.unwrapScoped(
 *   Effect.map(Inspector.make(gateway, Inspector.basic(password)), (inspector) =>
 *     HttpServer.serve(HttpRouter.empty.pipe(HttpRouter.get("/healthz", health), HttpRouter.concat(inspector)))
 *   )
 * )
 * ```
 *
 * Until the scope closes it takes a sample of the gateway each second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <S, P extends Principal, R = never>(
  gateway: Gateway<S, P>,
  options: InspectorOptions<R> = {}
): Effect.Effect<HttpRouter.HttpRouter, InvalidOption, Scope.Scope | R> =>
  Effect.gen(function* () {
    const { authenticate = guard.refuseEverybody, challenge, path = "/inspector" } = options
    if (!/^(\/[\w.~-]+)+$/.test(path)) {
      const rule = 'one or more segments such as "/inspector", of letters, digits and ._~-, without a / at the end'
      return yield* new InvalidOption({ option: "path", value: path, rule })
    }
    const context = yield* Effect.context<R>()
    const wrong = new WrongPasswords()
    const inspector = app.make(gateway, yield* sampler.make(gateway), path, (request) =>
      Effect.provide(guard.guarded(authenticate, challenge, wrong, request), context)
    )
    return HttpRouter.mountApp(HttpRouter.empty, path, inspector)
  })

/**
 * Adds an inspector of the gateway behind the tag to the routes of `HttpRouter.Default`:
 *
 * ```ts
 * const Routes = HttpRouter.Default.serve().pipe(
 *   Layer.provide(Inspector.layer(Chat, Inspector.basic(password)))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <Self, S, P extends Principal, R = never>(
  tag: Context.Tag<Self, Gateway<S, P>>,
  options?: InspectorOptions<R>
): Layer.Layer<never, InvalidOption, Self | Exclude<R, Scope.Scope>> =>
  HttpRouter.Default.use((routes) =>
    Effect.flatMap(tag, (gateway) => Effect.flatMap(make(gateway, options), (inspector) => routes.concat(inspector)))
  )
