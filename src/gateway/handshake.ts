/** The server's half of opening a connection: upgrade, hello, who asks, welcome. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { made } from "../connection/bounded.js"
import type { Incoming, UpgradeRequest } from "../connection/Listener.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import type { Transport } from "../connection/Transport.js"
import { Refused } from "../connection/upgradeRefusal.js"
import { CloseCode } from "../protocol/CloseCode.js"
import * as Codec from "../protocol/Codec.js"
import type { ConnectionLost, NotAllowed, NotAuthenticated } from "../protocol/ConnectionError.js"
import * as Protocol from "../protocol/Protocol.js"
import type { GatewayOptions } from "./GatewayOptions.js"
import type { Principal } from "./GatewaySession.js"
import type { OriginPolicy } from "./originPolicy.js"
import { Unauthenticated } from "./unauthenticated.js"

/** The checks of a request before an upgrade is accepted. */
export interface Checks<R> extends Pick<GatewayOptions<never, never, Principal, R>, "authorizeUpgrade"> {
  readonly origins: OriginPolicy
}

/** The codec to speak, or why the upgrade is refused. */
export const examine = <R>(
  request: UpgradeRequest,
  checks: Checks<R>,
  timeout: number
): Effect.Effect<Codec.Codec, Refused, R> => {
  const codec = request.protocols.map(Codec.forSubprotocol).find((found) => found !== undefined)
  if (codec === undefined) {
    const offered = request.protocols.length === 0 ? "none was" : `only ${request.protocols.join(", ")} was`
    const body = `no known subprotocol: offer ${Protocol.subprotocols.join(" or ")} (${offered} offered)`
    return Effect.fail(new Refused({ status: 400, code: "subprotocol", body }))
  }
  const origin = request.headers["origin"] === undefined ? undefined : String(request.headers["origin"])
  if (origin !== undefined && !checks.origins.allows(origin)) {
    const refusal = new Refused({ status: 403, code: "origin", body: `pages of ${origin} may not connect here` })
    return Effect.zipRight(checks.origins.tell(origin), refusal)
  }
  if (checks.authorizeUpgrade === undefined) return Effect.succeed(codec)
  const onTimeout = () =>
    new Refused({ status: 503, code: "timeout", body: "the server takes too long to look at this request" })
  const { authorizeUpgrade } = checks
  return made(() => authorizeUpgrade(request)).pipe(
    Effect.mapError(({ body, status }) => new Refused({ status, code: "application", body })),
    Effect.timeoutFail({ duration: timeout, onTimeout }),
    Effect.as(codec)
  )
}

/** Accepts the upgrade. */
export const open = (
  incoming: Incoming,
  codec: Codec.Codec,
  options: Resolved
): Effect.Effect<Transport, ConnectionLost> =>
  incoming.accept({
    protocol: codec.subprotocol,
    maxFrame: options.maxMessage + Codec.envelopeBytes,
    closeTimeout: options.closeTimeout
  })

/** Runs the transport, and calls back with its hello; `undefined` when there will be none, with the connection closed for it. */
export const hello = (
  live: LiveConnection,
  codec: Codec.Codec,
  maxHello: number,
  heard: (hello: Protocol.Hello | undefined) => void
): void => {
  live.open(new Unauthenticated(live, codec, maxHello, heard))
}

/** Runs the application's authentication; `None` when it refuses, or the client leaves, with the connection closed for it. */
export const authenticate = <P, R>(
  live: LiveConnection,
  authentication: Effect.Effect<P, NotAuthenticated | NotAllowed, R>,
  timeout: number
): Effect.Effect<Option.Option<P>, never, R> =>
  whileHere(live, authentication, timeout).pipe(
    Effect.tap((principal) => {
      if (Option.isNone(principal)) live.close(CloseCode.TryAgainLater, "authentication takes too long")
      return Effect.void
    }),
    Effect.catchTags({
      NotAuthenticated: ({ reason }) => refuse(live, CloseCode.NotAuthenticated, reason),
      NotAllowed: ({ reason }) => refuse(live, CloseCode.NotAllowed, reason)
    }),
    Effect.catchAllCause((cause) =>
      Effect.zipRight(
        Effect.logError("holdfast: authenticate died", cause),
        refuse(live, CloseCode.InternalError, "authentication failed")
      )
    )
  )

/** Waits no longer than the client does. What is known already needs no fibers to wait with. */
const whileHere = <A, E, R>(
  live: LiveConnection,
  effect: Effect.Effect<A, E, R>,
  timeout: number
): Effect.Effect<Option.Option<A>, E, R> => {
  const isKnown: boolean = Exit.isExit(effect)
  return isKnown
    ? Effect.asSome(effect)
    : Effect.raceFirst(Effect.timeoutOption(effect, timeout), Effect.as(live.ended, Option.none<A>()))
}

const refuse = (live: LiveConnection, code: number, reason: string) =>
  Effect.sync(() => {
    live.close(code, reason)
    return Option.none<never>()
  })
