/**
 * The life of a client: connect, greet, be Ready, wait, and again, in one
 * supervised fiber, until it ends.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as FiberHandle from "effect/FiberHandle"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { bounded } from "../connection/bounded.js"
import type { Dialer } from "../connection/Dialer.js"
import * as Heartbeat from "../connection/Heartbeat.js"
import { type HostEvent, HostEvents } from "../connection/HostEvents.js"
import { describe, IdleTimeout, ofOne } from "../connection/live/idleTimeout.js"
import { statsOf } from "../connection/live/stats.js"
import { Suspicion } from "../connection/live/suspicion.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import * as machineSleep from "../connection/machineSleep.js"
import type { Resolved } from "../connection/Options.js"
import { suspectAfterOf } from "../connection/optionRules.js"
import type { Backoff } from "../connection/Reconnect.js"
import * as timerQueue from "../connection/timerQueue.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec } from "../protocol/Codec.js"
import type { AttemptError, MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import type * as Protocol from "../protocol/Protocol.js"
import * as ackTimer from "../session/ackTimer.js"
import * as pacer from "../session/pacer.js"
import type { SessionDriver } from "../session/sessionDriver.js"
import type { ClientEvent, ClientStats, EndReason, Status } from "./ClientStatus.js"
import { describeEnd } from "./ClientStatus.js"
import { ClientSession } from "./clientSession.js"
import { DialTerms, type Given } from "./dialTerms.js"
import * as handshake from "./handshake.js"
import { type KeepAlive, Lifecycle, leavesSession } from "./lifecycle.js"
import { RetryDelay } from "./retryDelay.js"
import { SessionKeeper } from "./SessionKeeper.js"
import * as subscribable from "./subscribable.js"
import type { Subscriptions } from "./subscriptions.js"

export interface LoopOptions<R> {
  readonly dialer: Dialer["Type"]
  readonly codec: Codec
  readonly options: Resolved
  readonly backoff: Backoff<R>
  readonly given: Given
  readonly context: Context.Context<R>
  readonly now: () => number
}

/** A client whose loop runs. */
export interface ReconnectLoop {
  readonly driver: SessionDriver
  readonly topics: Subscriptions
  readonly status: subscribable.Subscribable<Status>
  readonly events: subscribable.Events<ClientEvent>
  readonly ended: Effect.Effect<EndReason>
  readonly stats: Effect.Effect<ClientStats>
  /** Begins an attempt now. */
  readonly wake: Effect.Effect<void>
  /** Tells of a message that did not decode, and ends where that was decided. */
  readonly invalid: (error: MessageInvalid, decision: InvalidDecision) => Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

/** Both ends keep to the shorter times of the two; what is a third of an interval is a third of the shorter one. */
const keepAliveOf = (options: Resolved, welcome: Protocol.Welcome): KeepAlive => {
  const heartbeatInterval = Math.min(options.heartbeatInterval, welcome.heartbeat)
  const isDefault = options.suspectAfter === suspectAfterOf(options.heartbeatInterval)
  return {
    heartbeatInterval,
    readDeadline: Math.min(options.readDeadline, welcome.deadline),
    suspectAfter: isDefault ? suspectAfterOf(heartbeatInterval) : options.suspectAfter
  }
}

export const make = <R>(config: LoopOptions<R>): Effect.Effect<ReconnectLoop, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { backoff, codec, context, dialer, given, now, options } = config
    const { open: openKeeper } = yield* SessionKeeper
    const { listen } = yield* HostEvents
    const events = yield* subscribable.events<ClientEvent>()
    const failed = (cause: unknown) => events.leave({ _tag: "NotKept", cause })
    // What is kept is let go of before the connection has closed: the next client need not wait for that.
    const keeping = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const keeper = yield* Scope.extend(openKeeper({ subprotocol: codec.subprotocol, failed }), keeping)
    const terms = yield* DialTerms.make(given, options.tokenTimeout)
    const acks = yield* ackTimer.make(options.ackDelay)
    const pacing = yield* pacer.make
    const suspicions = yield* timerQueue.make
    const status = yield* subscribable.make<Status>({ _tag: "Connecting", attempt: 1 }, ({ _tag }) => _tag === "Ended")
    const whenEnded = yield* Deferred.make<EndReason>()
    const ended = Deferred.await(whenEnded)
    const { canBeFresh, token } = terms
    const life = new Lifecycle(status, { stableAfter: options.stableAfter, canBeFresh })
    const goingAway = (goaway: Protocol.Goaway) => life.goingAway(goaway)
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
    const idle = new IdleTimeout(ofOne)
    const retry = new RetryDelay(backoff, context, (waiting) => life.waiting({ ...waiting, idleTimeout: idle.found }))

    // ---- an attempt

    /** A connection that has come to Ready. */
    const open: Effect.Effect<LiveConnection, AttemptError, Scope.Scope> = Effect.gen(function* () {
      const { headers, token, url } = yield* terms.next
      const live = yield* handshake.dial(dialer, options, { url, protocols: [codec.subprotocol], headers })
      life.greeting(live)
      if (live.transport.ping === undefined) {
        live.messagePing = (id) => driver.writeUnpaced(live, { type: "ping", id })
      }
      const hello = session.hello(live, token)
      const welcome = yield* handshake.greet(live, codec, hello, options.helloTimeout, {
        welcome: (welcome) => {
          const start = session.welcomed(live, welcome, hello)
          if (start === undefined) return
          retry.succeeded()
          const { generation, session: id } = welcome
          const since = live.toWallTime(live.lastActivity)
          const keepAlive = keepAliveOf(options, welcome)
          const told = { suspect: false, idleTimeout: idle.found }
          life.ready(
            { _tag: "Ready", session: id, generation, start, since, ...told },
            live.lastActivity,
            keepAlive,
            welcome.spread ?? 0
          )
          live.suspicion = new Suspicion(live, keepAlive.suspectAfter, suspicions, (suspect) =>
            life.suspected(live, suspect)
          )
        },
        goaway: (goaway) => session.control(goaway, live, 0)
      })
      live.keepAlive(keepAliveOf(options, welcome), yield* Heartbeat.jitter)
      return live
    })

    /** One connection from dial to end, which it gives; or `None` when another attempt is to be made instead. */
    const connect: Effect.Effect<Option.Option<AttemptError>> = retry.opening(open).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => {
            const { phase } = life
            // Its peer may never answer: nobody waits for a farewell.
            if ("live" in phase) phase.live.abandon(CloseCode.GoingAway, "another attempt takes its place")
            return Effect.succeedNone
          },
          onSome: (live) => Effect.asSome(live.ended)
        })
      ),
      Effect.scoped,
      Effect.catchAll((end) => Effect.succeedSome(end))
    )

    /** A connection that was Ready may have been lost to the idle timeout of a proxy, which is said once. */
    const lost = (end: AttemptError): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { phase } = life
        if (end._tag !== "ConnectionLost" || phase._tag !== "Ready") return Effect.void
        const found = idle.lost(phase.live, now())
        return found === undefined ? Effect.void : Effect.logWarning(`holdfast: ${describe(found)}`)
      })

    const run: Effect.Effect<void> = Effect.gen(function* () {
      let attempt = 1
      while (life.phase._tag !== "Ended") {
        life.dialing(attempt)
        const over = yield* connect
        if (Option.isNone(over)) {
          attempt++
          continue
        }
        const end = over.value
        yield* Effect.logDebug(`holdfast: ${end.message}`)
        yield* lost(end)
        const decision = life.over(end, now())
        if (decision._tag === "End") return finish(decision.reason)
        if (decision.isStable) yield* backoff.reset
        const delay = yield* retry.delay(end, decision)
        if (Option.isNone(delay)) return finish(decision.otherwise)
        attempt = decision.attempt
        yield* retry.wait(attempt, delay.value, end)
      }
    })

    // ---- the end

    const finish = (reason: EndReason, forgets?: boolean): void => {
      if (life.phase._tag === "Ended") return
      const asked = life.farewell?.reason ?? reason
      session.end(describeEnd(asked), forgets ?? !leavesSession(asked))
      life.ended(asked)
      events.end()
      Deferred.unsafeDone(whenEnded, Effect.succeed(asked))
    }

    /** Writes what was accepted, says bye, and waits for the server to close when it has processed it all. */
    const farewell: Effect.Effect<void> = Effect.gen(function* () {
      yield* driver.close
      const { live } = driver
      if (live === undefined) return
      life.saidBye()
      live.write(codec.encode({ type: "bye" }))
      yield* live.ended
    })

    const stop = (reason: EndReason): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (life.phase._tag === "Ended") return Effect.void
        if (life.farewell !== undefined) return Effect.asVoid(ended)
        life.stopping(reason)
        const said = driver.live === undefined ? Effect.void : bounded(farewell, options.closeTimeout)
        const conclude = Effect.suspend(() => {
          driver.live?.abandon(CloseCode.Normal, "bye")
          finish(reason)
          return FiberHandle.clear(running)
        })
        // Whoever is interrupted while it waits has stopped the client all the same.
        return Effect.asVoid(Effect.ensuring(said, conclude))
      })

    const close = stop({ _tag: "Closed" })

    /** Ends, and leaves the session to the next client of its keeper, which is let go of. */
    const leave = (letGo: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        driver.live?.close(CloseCode.GoingAway, "its scope was closed")
        finish({ _tag: "Closed" }, false)
        return Effect.zipRight(letGo, FiberHandle.clear(running))
      })

    const happened = (event: HostEvent): void => {
      const { live } = driver
      if (event === "Leaving") return live?.close(CloseCode.GoingAway, "its program is being stopped")
      if (live === undefined || life.phase._tag !== "Ready") retry.awake()
      else live.probe(life.phase.keepAlive.readDeadline, options.helloTimeout)
    }

    const died = (defect: unknown) =>
      Effect.zipRight(
        Effect.logError("holdfast: the client died", defect),
        Effect.sync(() => finish({ _tag: "Died", defect }))
      )
    const running = yield* FiberHandle.make<void>()
    yield* FiberHandle.run(running, Effect.catchAllDefect(run, died))
    yield* listen(happened)
    // Spread over a second: the clients of one machine wake together, and so may those of many.
    const awake = Effect.flatMap(Heartbeat.jitter, (part) =>
      Effect.delay(
        Effect.sync(() => happened("Awake")),
        Math.round(part * 1000)
      )
    )
    const waking = yield* FiberHandle.makeRuntime<never>()
    yield* machineSleep.watch(() => void waking(awake))
    // After the fiber in the order of finalizers, so before it when the scope closes.
    yield* Effect.addFinalizer((exit) => (keeper === undefined ? close : leave(Scope.close(keeping, exit))))

    return {
      driver,
      topics,
      status,
      events,
      ended,
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
      wake: retry.wake,
      invalid: (error, decision) => {
        events.publish({ _tag: "MessageInvalid", error })
        const log = Effect.logWarning(`holdfast: ${error.message}`)
        return decision === "Continue" ? log : Effect.zipRight(log, stop({ _tag: "Invalid", error }))
      },
      close
    }
  })
