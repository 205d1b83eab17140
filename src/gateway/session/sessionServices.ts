/** The services that all sessions of a gateway share. */
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Resolved } from "../../connection/Options.js"
import type { Outage } from "../../connection/outage.js"
import type { NotAllowed, NotAuthenticated } from "../../protocol/ConnectionError.js"
import type { decoder, encoder } from "../../protocol/messageCodec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { AckTimer } from "../../session/ackTimer.js"
import type { InboundLimiterTerms } from "../../session/inboundLimiter.js"
import type { UnfinishedBytes } from "../../session/large/partReceiver.js"
import type { SessionStore } from "../../session/SessionStore.js"
import type { Handlers, Hello } from "../GatewayOptions.js"
import type { Gateway, Principal, SessionEnd } from "../GatewaySession.js"
import type { GatewayStats } from "../gatewayStats.js"
import type { TopicRegistry } from "../topics/topicRegistry.js"
import type { Farewells } from "./farewells.js"
import type { MicrotaskQueue } from "./microtaskQueue.js"

export interface SessionServices<C, S, P extends Principal, R> {
  readonly options: Resolved
  readonly limits: Protocol.Limits
  readonly guard: InboundLimiterTerms
  readonly unfinished: UnfinishedBytes
  readonly handlers: Handlers<C, S, P, Effect.Effect<void, unknown, R>, R, R, R, R>
  readonly authenticate: (hello: Hello) => Effect.Effect<P, NotAuthenticated | NotAllowed, R>
  readonly encode: ReturnType<typeof encoder<S>>
  readonly decode: ReturnType<typeof decoder<C>>
  readonly store: SessionStore["Type"]
  /** Of the store. */
  readonly outage: Outage
  /** Of handlers that are run again. */
  readonly handlerOutage: Outage
  readonly ackTimer: AckTimer
  readonly topics: TopicRegistry<P, R> | undefined
  /** Runs a fiber that the gateway supervises. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.RuntimeFiber<A, E>
  /** The same, of one that outlives those of `fork` when the gateway ends: it sees to what they leave behind. */
  readonly forkLast: <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.RuntimeFiber<A, E>
  readonly microtasks: MicrotaskQueue
  /** A new part of a heartbeat interval. */
  readonly jitter: () => number
  /** The gateway has ended its sessions. */
  readonly isStopped: () => boolean
  readonly clock: Clock.Clock
  /** The time of the monotonic clock. */
  readonly now: () => number
  readonly gateway: Gateway<S, P>
  /** The session lives no more; its connection may be accounted for. */
  readonly removed: (id: string, end: SessionEnd) => void
  readonly stats: GatewayStats
  /** Milliseconds over which its clients are to come back when this gateway is gone. */
  readonly spread: () => number
  readonly farewells: Farewells
}
