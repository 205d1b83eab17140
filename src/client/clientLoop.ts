/** The reconnecting of a client's session: what each connection says to be Ready, and what becomes of the session at the end. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Scope from "effect/Scope"
import type { Dialer } from "../connection/Dialer.js"
import type { DialTerms } from "../connection/keep/dialing.js"
import type { Rules } from "../connection/keep/lifecycle.js"
import * as reconnectLoop from "../connection/keep/reconnectLoop.js"
import { describeEnd, type EndReason } from "../connection/keep/status.js"
import * as subscribable from "../connection/keep/subscribable.js"
import { statsOf } from "../connection/live/stats.js"
import type { Resolved } from "../connection/Options.js"
import type { Backoff } from "../connection/Reconnect.js"
import type { Codec } from "../protocol/Codec.js"
import type { MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import type * as Protocol from "../protocol/Protocol.js"
import * as ackTimer from "../session/ackTimer.js"
import * as pacer from "../session/pacer.js"
import type { SessionDriver } from "../session/sessionDriver.js"
import type { ClientEvent, ClientStats, Ready, Status } from "./ClientStatus.js"
import { ClientSession } from "./clientSession.js"
import * as handshake from "./handshake.js"
import { SessionKeeper } from "./SessionKeeper.js"
import type { Subscriptions } from "./subscriptions.js"

export interface ClientLoopOptions<R> {
  readonly dialer: Dialer["Type"]
  readonly codec: Codec
  readonly options: Resolved
  readonly backoff: Backoff<R>
  readonly terms: DialTerms
  readonly verdict: Rules["verdict"]
  readonly context: Context.Context<R>
  readonly now: () => number
}

/** A client whose loop runs. */
export interface ClientLoop {
  readonly driver: SessionDriver
  readonly topics: Subscriptions
  readonly status: subscribable.Subscribable<Status>
  readonly events: subscribable.Events<ClientEvent>
  readonly ready: Effect.Effect<Ready, EndReason>
  readonly ended: Effect.Effect<EndReason>
  readonly stats: Effect.Effect<ClientStats>
  /** Begins an attempt now. */
  readonly wake: Effect.Effect<void>
  /** Tells of a message that did not decode, and ends where that was decided. */
  readonly invalid: (error: MessageInvalid, decision: InvalidDecision) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

/** True when another client of the same principal may yet go on with the session. */
const leavesSession = (reason: EndReason): boolean =>
  reason._tag === "GaveUp" ||
  (reason._tag === "Stopped" && (reason.verdict.why === "NotAuthenticated" || reason.verdict.why === "NotAllowed"))

export const make = <R>(config: ClientLoopOptions<R>): Effect.Effect<ClientLoop, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { backoff, codec, context, dialer, now, options, terms, verdict } = config
    const { open: openKeeper } = yield* SessionKeeper
    const events = yield* subscribable.events<ClientEvent>()
    const failed = (cause: unknown) => events.leave({ _tag: "NotKept", cause })
    // What is kept is let go of before the connection has closed: the next client need not wait for that.
    const keeping = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const keeper = yield* Scope.extend(openKeeper({ subprotocol: codec.subprotocol, failed }), keeping)
    const acks = yield* ackTimer.make(options.ackDelay)
    const pacing = yield* pacer.make
    const { canBeFresh, token } = terms
    const goingAway = (goaway: Protocol.Goaway): void => loop.life.goingAway(goaway)
    const session = new ClientSession({
      codec,
      options,
      keeper,
      ackTimer: acks,
      pacing,
      token,
      events,
      now,
      goingAway
    })
    const { driver, topics } = session
    /** The session is left to the next client of its keeper. */
    let isLeft = false

    /** Writes what was accepted, says bye, and waits for the server to close when it has processed it all. */
    const farewell: Effect.Effect<void> = Effect.gen(function* () {
      yield* driver.close
      const { live } = driver
      if (live === undefined) return
      loop.life.saidBye()
      live.write(codec.encode({ type: "bye" }))
      yield* live.ended
    })

    const loop: reconnectLoop.ReconnectLoop<Ready> = yield* reconnectLoop.make<Ready, R>({
      options,
      backoff,
      context,
      rules: { canBeFresh, verdict },
      now,
      open: handshake.opener({ codec, dialer, options, session, terms }),
      current: () => driver.live,
      farewell: () => farewell,
      ending: (reason) => {
        session.end(describeEnd(reason), !isLeft && !leavesSession(reason))
        events.end()
      }
    })
    const { life, status, stop } = loop
    const close = stop({ _tag: "Closed" })
    const leave = (letGo: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        isLeft = true
        return loop.leave(letGo)
      })
    // After the fiber in the order of finalizers, so before it when the scope closes.
    yield* Effect.addFinalizer((exit) => (keeper === undefined ? close : leave(Scope.close(keeping, exit))))

    return {
      driver,
      topics,
      status,
      events,
      ready: loop.ready,
      ended: loop.ended,
      stats: Effect.sync(() => {
        const { counts, largeMessages, live, outbox, state } = driver
        const { outgoing, unfinished } = largeMessages?.chunks ?? {}
        const { phase } = life
        return {
          connection:
            live === undefined || phase._tag !== "Ready" ? undefined : { ...statsOf(live), ...phase.keepAlive },
          sent: state.sent,
          acknowledged: state.acked,
          received: state.received,
          processed: state.processed,
          unacknowledged: outbox.buffered,
          sending: largeMessages?.parts.sending,
          receiving: largeMessages?.parts.receiving,
          publishing: outgoing && { key: outgoing.name, received: outgoing.bytes, size: outgoing.of },
          receivingPublication: unfinished && { received: unfinished.bytes, size: unfinished.of },
          replayed: counts.replayed,
          suppressed: counts.suppressed
        }
      }),
      wake: loop.wake,
      invalid: (error, decision) => {
        events.publish({ _tag: "MessageInvalid", error })
        const log = Effect.logWarning(`holdfast: ${error.message}`)
        return decision === "Continue" ? log : Effect.zipRight(log, stop({ _tag: "Invalid", error }))
      },
      close
    }
  })
