/** The inspector's routes: the page, and the JSON that it asks for. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { wallTimeNow } from "../../connection/clocks.js"
import type { Gateway } from "../../gateway/GatewaySession.js"
import type { BrokerUnavailable, StoreUnavailable } from "../../protocol/ConnectionError.js"
import { sameOriginJson } from "./guard.js"
import { type Nodes, type Overview, sessionSorts, topicSorts } from "./model.js"
import * as pageFiles from "./pageFiles.js"
import * as query from "./query.js"
import { json, Refused, redirect, refusal } from "./reply.js"
import type { Sampler } from "./sampler.js"
import * as sessions from "./sessions.js"
import * as topics from "./topics.js"

const parametersOf = ({ url }: HttpServerRequest.HttpServerRequest): query.Parameters => {
  const at = url.indexOf("?")
  return new URLSearchParams(at < 0 ? "" : url.slice(at))
}

const parameters = Effect.map(HttpServerRequest.HttpServerRequest, parametersOf)

const Reason = Schema.optionalWith(Schema.String.pipe(Schema.maxLength(1000)), { exact: true })

const Order = Schema.Union(
  Schema.Struct({ session: Schema.NonEmptyString, reason: Reason }),
  Schema.Struct({ principal: Schema.NonEmptyString, reason: Reason })
)

const maxOrder = 16 * 1024

/** The size at which a body is cut off that does not say its own beforehand. */
const fits = ({ headers }: HttpServerRequest.HttpServerRequest): Effect.Effect<void, Refused> =>
  Number(headers["content-length"] ?? 0) <= maxOrder
    ? Effect.void
    : new Refused({ status: 413, reason: `send at most ${maxOrder} bytes` })

const order = HttpServerRequest.schemaBodyJson(Order, { onExcessProperty: "error" }).pipe(
  HttpIncomingMessage.withMaxBodySize(Option.some(FileSystem.Size(maxOrder))),
  Effect.catchAll(
    () =>
      new Refused({
        status: 400,
        reason:
          'send {"session": "…"} or {"principal": "…"}, and if you like {"reason": "…"} of at most 1000 characters'
      })
  )
)

const unavailable = ({ message }: BrokerUnavailable | StoreUnavailable) => new Refused({ status: 503, reason: message })

const overview = (gateway: Gateway<never>, sampler: Sampler) =>
  Effect.gen(function* () {
    const after = yield* query.whole(yield* parameters, "after", {
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
      otherwise: 0
    })
    const { address, node } = gateway
    const stats = yield* gateway.stats
    const said: Overview = {
      now: yield* wallTimeNow,
      node,
      address,
      stats: { ...stats, idleTimeout: stats.idleTimeout ?? null },
      samples: sampler.after(after)
    }
    return json(said)
  })

const session = (gateway: Gateway<never>) =>
  Effect.gen(function* () {
    const { id = "" } = yield* HttpRouter.params
    const found = yield* gateway.session(id)
    return json(sessions.detailOf(yield* found.info, gateway.node))
  }).pipe(
    Effect.catchTag(
      "SessionNotFound",
      () =>
        new Refused({ status: 404, reason: "no such session lives on this gateway: it has ended, or is on another" })
    )
  )

const history = (gateway: Gateway<never>) =>
  Effect.gen(function* () {
    const asked = yield* parameters
    const name = yield* query.text(asked, "topic", 300)
    const limit = yield* query.whole(asked, "limit", { from: 1, to: 50, otherwise: 10 })
    return json(yield* topics.history(gateway, name, limit))
  })

const disconnect = (gateway: Gateway<never>) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* sameOriginJson(request)
    yield* fits(request)
    const { reason = "disconnected by an operator", ...target } = yield* order
    return json({ disconnected: yield* gateway.disconnect(target, reason) })
  })

const router = (gateway: Gateway<never>, sampler: Sampler) => {
  const listSessions = sessions.makeList(gateway)
  return HttpRouter.empty.pipe(
    HttpRouter.get(
      "/",
      Effect.suspend(() => pageFiles.index(pageFiles.built()))
    ),
    HttpRouter.get(
      "/assets/:name",
      Effect.flatMap(HttpRouter.params, ({ name = "" }) => pageFiles.asset(pageFiles.built(), name))
    ),
    HttpRouter.get("/api/overview", overview(gateway, sampler)),
    HttpRouter.get(
      "/api/sessions",
      parameters.pipe(
        Effect.flatMap((asked) => query.listing(asked, sessionSorts, "since")),
        Effect.flatMap(listSessions),
        Effect.map(json)
      )
    ),
    HttpRouter.get("/api/sessions/:id", session(gateway)),
    HttpRouter.get(
      "/api/topics",
      parameters.pipe(
        Effect.flatMap((asked) => query.listing(asked, topicSorts, "name")),
        Effect.flatMap((asked) => topics.list(gateway, sampler, asked)),
        Effect.map(json)
      )
    ),
    HttpRouter.get("/api/history", history(gateway)),
    HttpRouter.get(
      "/api/nodes",
      Effect.map(gateway.nodes, (nodes) => json({ nodes } satisfies Nodes))
    ),
    HttpRouter.post("/api/disconnect", disconnect(gateway))
  )
}

/** For the application's check, and a store or a broker that does not answer. */
const patience = "10 seconds"

const tooLate = new Refused({
  status: 503,
  reason: `it has not been answered within ${patience}: the gateway is busy, or its store or broker does not answer`
})

const withoutQuery = (url: string): string => url.split("?", 1)[0] ?? ""

/** Not the path itself without a slash at its end. */
const isDirectory = ({ originalUrl, url }: HttpServerRequest.HttpServerRequest): boolean =>
  withoutQuery(url).length > 1 || withoutQuery(originalUrl).endsWith("/")

/**
 * Answers every request under `path`, whose prefix the router has taken off already; `guard` lets it through or not before
 * anything else is looked at.
 */
export const make = <R>(
  gateway: Gateway<never>,
  sampler: Sampler,
  path: string,
  guard: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<void, Refused, R>
): HttpApp.Default<never, R> => {
  const routes = router(gateway, sampler)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    // What is relative on the page is so to a directory; said relatively, it holds behind a proxy that has taken off a prefix.
    const toDirectory = redirect(`${path.slice(path.lastIndexOf("/") + 1)}/`)
    return guard(request).pipe(
      Effect.zipRight(isDirectory(request) ? routes : Effect.succeed(toDirectory)),
      Effect.timeoutFail({ duration: patience, onTimeout: () => tooLate }),
      // The platform runs what is mounted uninterruptibly, and would hold on to it when who has asked has left.
      Effect.interruptible,
      Effect.catchTags({
        BrokerUnavailable: unavailable,
        StoreUnavailable: unavailable,
        RouteNotFound: () =>
          new Refused({
            status: 404,
            reason: `the inspector has nothing here for ${request.method}; its page is at ${path}/`
          })
      }),
      Effect.catchTag("Refused", (refused) => Effect.succeed(refusal(refused, request.url.startsWith("/api/"))))
    )
  })
}
