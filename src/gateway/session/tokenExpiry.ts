/**
 * Keeps the authentication of a connected session from running out: asks the
 * client for a fresh token in time, has the application look at it, and closes
 * the connection when the principal expires first. One for each connection of
 * a principal that expires; others cost nothing.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import { made } from "../../connection/bounded.js"
import { monotonic, monotonicNow, toMonotonic, wallTime } from "../../connection/clocks.js"
import type { UpgradeRequest } from "../../connection/Listener.js"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Resolved } from "../../connection/Options.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Codec } from "../../protocol/Codec.js"
import type { NotAllowed, NotAuthenticated } from "../../protocol/ConnectionError.js"
import type { Hello } from "../GatewayOptions.js"
import type { Principal, SessionEnd } from "../GatewaySession.js"

export const expired = "the authentication has expired"
export const unasked = "token: none was asked for"

/** The expiry of a principal, in whole milliseconds since the epoch; undefined for never. What is no time is long past. */
export const expiryOf = ({ expiresAt }: Principal): number | undefined => {
  if (expiresAt === undefined || expiresAt === Number.POSITIVE_INFINITY) return undefined
  return Number.isNaN(expiresAt) ? Number.NEGATIVE_INFINITY : Math.floor(expiresAt)
}

/** True when a principal that the application has just told of is of no use. */
export const hasExpired = (principal: Principal, clock: Clock.Clock): boolean => {
  const now = wallTime(clock)
  return (expiryOf(principal) ?? now + 1) <= now
}

/** A timer's longest delay: a longer one would not fire. */
const longest = 2 ** 31 - 1

/** However little a renewed principal has left, the client is not asked again within this many milliseconds. */
const leastPause = 1000

const sleepUntil = (at: number): Effect.Effect<void> =>
  Effect.flatMap(monotonicNow, (now) => {
    const left = at - now
    return left <= 0 ? Effect.void : Effect.zipRight(Effect.sleep(Math.min(left, longest)), sleepUntil(at))
  })

export interface Services<P extends Principal, R> {
  readonly options: Resolved
  readonly clock: Clock.Clock
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  readonly authenticate: (hello: Hello) => Effect.Effect<P, NotAuthenticated | NotAllowed, R>
}

export interface Authenticated<P extends Principal> {
  principal: P
  readonly codec: Codec
  readonly finish: (end: SessionEnd) => void
}

/**
 * - `Fresh`: the client has not been asked.
 * - `Asked`: it has, and has not answered.
 * - `Looking`: the application looks at the answer.
 * - `Stopped`: the connection does not act for the session any more.
 */
type Phase = "Fresh" | "Asked" | "Looking" | "Stopped"

export class TokenExpiry<P extends Principal, R> {
  private phase: Phase = "Fresh"
  private timer: Fiber.RuntimeFiber<void> | undefined
  private looking: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly services: Services<P, R>,
    private readonly session: Authenticated<P>,
    private readonly live: LiveConnection,
    private readonly request: UpgradeRequest
  ) {}

  /** The session's principal was authenticated just now, by the hello. */
  start(): void {
    this.watch((left) => left - this.services.options.refreshBefore)
  }

  /** Tells whether the client was asked and has not answered. */
  stop(): boolean {
    const wasAsked = this.phase === "Asked"
    this.phase = "Stopped"
    this.timer?.unsafeInterruptAsFork(FiberId.none)
    this.looking?.unsafeInterruptAsFork(FiberId.none)
    return wasAsked
  }

  /** Asks and closes in time; `pause` tells how long to wait before asking, from what is left. */
  private watch(pause: (left: number) => number): void {
    this.timer?.unsafeInterruptAsFork(FiberId.none)
    const expiry = expiryOf(this.session.principal)
    this.phase = "Fresh"
    if (expiry === undefined) return
    const { clock } = this.services
    const now = monotonic(clock)
    // It was authenticated just now: from here on no step of the system's clock changes how long that holds.
    const expiresAt = toMonotonic(clock, expiry)
    const askAt = now + Math.max(0, pause(expiresAt - now))
    const asked = Effect.map(sleepUntil(askAt), () => this.ask(expiresAt))
    // Nobody has refused anything: the session waits for its client, who is authenticated when it comes back.
    const closed = Effect.map(sleepUntil(expiresAt), () => this.live.close(CloseCode.NotAuthenticated, expired))
    this.timer = this.services.fork(askAt < expiresAt ? Effect.zipRight(asked, closed) : closed)
  }

  private ask(expiresAt: number): void {
    this.phase = "Asked"
    const expires = Math.max(0, expiresAt - monotonic(this.services.clock))
    this.live.write(this.session.codec.encode({ type: "authenticate", expires }))
  }

  /** The client sent a token on this connection. Tells why it is out of place, or undefined. */
  answered(token: string): string | undefined {
    switch (this.phase) {
      case "Fresh":
      case "Stopped":
        return unasked
      case "Looking":
        return "token: another one is being looked at"
      case "Asked":
        this.phase = "Looking"
        this.looking = this.services.fork(this.look(token))
        return undefined
    }
  }

  private look(token: string): Effect.Effect<void, never, R> {
    const { authenticate, options } = this.services
    const { request } = this
    const asked = Effect.suspend(() => made(() => authenticate({ token, request })))
    return Effect.timeoutOption(asked, options.helloTimeout).pipe(
      Effect.map(
        Option.match({
          onSome: (principal) => this.renewed(principal),
          onNone: () => this.live.close(CloseCode.TryAgainLater, "authentication takes too long")
        })
      ),
      Effect.catchTags({
        NotAuthenticated: ({ reason }) => this.refused({ _tag: "NotAuthenticated", reason }),
        NotAllowed: ({ reason }) => this.refused({ _tag: "NotAllowed", reason })
      }),
      // The session is not to blame: its client is authenticated again when it comes back.
      Effect.catchAllCause((cause) =>
        Effect.map(Effect.logError("holdfast: authenticate died", cause), () =>
          this.live.close(CloseCode.InternalError, "authentication failed")
        )
      )
    )
  }

  private refused(end: SessionEnd): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.phase === "Looking") this.session.finish(end)
    })
  }

  private renewed(principal: P): void {
    if (this.phase !== "Looking") return
    if (principal.id !== this.session.principal.id) {
      return this.session.finish({ _tag: "NotAllowed", reason: "the token is another principal's" })
    }
    this.session.principal = principal
    if (hasExpired(principal, this.services.clock)) {
      return this.session.finish({ _tag: "NotAuthenticated", reason: expired })
    }
    const { refreshBefore } = this.services.options
    // A client that has nothing better to bring must not be asked in a loop.
    this.watch((left) => (left > refreshBefore ? left - refreshBefore : Math.max(leastPause, Math.ceil(left / 2))))
  }
}
