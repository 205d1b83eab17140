/**
 * The life of what is kept connected: connect, be Ready, wait, and again, in one supervised fiber, until it ends. What a
 * connection has to do to be Ready is another's.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { AttemptError } from "../../protocol/ConnectionError.js"
import { bounded } from "../bounded.js"
import { type HostEvent, HostEvents } from "../HostEvents.js"
import * as Heartbeat from "../heartbeat.js"
import { describe, IdleTimeout, ofOne } from "../live/idleTimeout.js"
import { Suspicion } from "../live/suspicion.js"
import type { LiveConnection } from "../liveConnection.js"
import * as machineSleep from "../machineSleep.js"
import type { Resolved } from "../Options.js"
import type { Backoff } from "../Reconnect.js"
import * as timerQueue from "../timerQueue.js"
import { type KeepAlive, Lifecycle, type Rules } from "./lifecycle.js"
import { RetryDelay } from "./retryDelay.js"
import type { EndReason, Ready, Status } from "./status.js"
import * as subscribable from "./subscribable.js"

/** What an attempt tells of its connection. */
export interface Attempt<R extends Ready> {
  /** There is a connection, which is being made ready. */
  readonly opening: (live: LiveConnection) => void
  /** It can be used from now on. */
  readonly ready: (
    live: LiveConnection,
    status: (common: Ready) => R,
    keepAlive: KeepAlive,
    /** Milliseconds over which all clients of the server come back that lose it together. */
    spread: number
  ) => void
}

export interface LoopConfig<R extends Ready, Env> {
  readonly options: Resolved
  readonly backoff: Backoff<Env>
  readonly context: Context.Context<Env>
  readonly rules: Pick<Rules, "canBeFresh" | "verdict">
  readonly now: () => number
  /** Opens a connection, and makes it ready. */
  readonly open: (attempt: Attempt<R>) => Effect.Effect<LiveConnection, AttemptError, Scope.Scope>
  /** The connection that is in use. */
  readonly current: () => LiveConnection | undefined
  /** Takes leave of the server, and waits until the connection has ended; it is given up after `closeTimeout`. */
  readonly farewell: (live: LiveConnection) => Effect.Effect<void>
  /** There will be no other connection. */
  readonly ending: (reason: EndReason) => void
}

export interface ReconnectLoop<R extends Ready> {
  readonly life: Lifecycle<R>
  readonly status: subscribable.Subscribable<Status<R>>
  /** Waits until a connection is Ready; fails with the reason when there will be none. */
  readonly ready: Effect.Effect<R, EndReason>
  readonly ended: Effect.Effect<EndReason>
  /** Begins an attempt now. */
  readonly wake: Effect.Effect<void>
  /** Takes leave, and ends. */
  readonly stop: (reason: EndReason) => Effect.Effect<void>
  /** Ends without a word but a close frame; `meanwhile` is done before the connection has closed. */
  readonly leave: (meanwhile: Effect.Effect<void>) => Effect.Effect<void>
}

export const make = <R extends Ready, Env>(
  config: LoopConfig<R, Env>
): Effect.Effect<ReconnectLoop<R>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { backoff, current, now, options } = config
    const { listen } = yield* HostEvents
    const suspicions = yield* timerQueue.make
    const status = yield* subscribable.make<Status<R>>(
      { _tag: "Connecting", attempt: 1 },
      ({ _tag }) => _tag === "Ended"
    )
    const whenEnded = yield* Deferred.make<EndReason>()
    const ended = Deferred.await(whenEnded)
    const life = new Lifecycle(status, { ...config.rules, stableAfter: options.stableAfter })
    const idle = new IdleTimeout(ofOne)
    const retry = new RetryDelay(backoff, config.context, (waiting) =>
      life.waiting({ ...waiting, idleTimeout: idle.found })
    )

    // ---- an attempt

    const attempted = config.open({
      opening: (live) => life.opening(live),
      ready: (live, statusOf, keepAlive, spread) => {
        retry.succeeded()
        const since = live.toWallTime(live.lastActivity)
        const common: Ready = { _tag: "Ready", since, suspect: false, idleTimeout: idle.found }
        life.ready(statusOf(common), live.lastActivity, keepAlive, spread)
        live.suspicion = new Suspicion(live, keepAlive.suspectAfter, suspicions, (suspect) =>
          life.suspected(live, suspect)
        )
      }
    })

    /** One connection from dial to end, which it gives; or `None` when another attempt is to be made instead. */
    const connect: Effect.Effect<Option.Option<AttemptError>> = retry.opening(attempted).pipe(
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

    const finish = (reason: EndReason): void => {
      if (life.phase._tag === "Ended") return
      const asked = life.farewell?.reason ?? reason
      config.ending(asked)
      life.ended(asked)
      Deferred.unsafeDone(whenEnded, Effect.succeed(asked))
    }

    const stop = (reason: EndReason): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (life.phase._tag === "Ended") return Effect.void
        if (life.farewell !== undefined) return Effect.asVoid(ended)
        life.stopping(reason)
        const live = current()
        const said = live === undefined ? Effect.void : bounded(config.farewell(live), options.closeTimeout)
        const conclude = Effect.suspend(() => {
          current()?.abandon(CloseCode.Normal, "bye")
          finish(reason)
          return FiberHandle.clear(running)
        })
        // Whoever is interrupted while it waits has stopped it all the same.
        return Effect.asVoid(Effect.ensuring(said, conclude))
      })

    const leave = (meanwhile: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        current()?.close(CloseCode.GoingAway, "its scope was closed")
        finish({ _tag: "Closed" })
        return Effect.zipRight(meanwhile, FiberHandle.clear(running))
      })

    const happened = (event: HostEvent): void => {
      const live = current()
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

    const ready = status.first((current): Effect.Effect<R, EndReason> | undefined => {
      if (current._tag === "Ready") return Effect.succeed(current)
      return current._tag === "Ended" ? Effect.fail(current.reason) : undefined
    })
    return { life, status, ready, ended, wake: retry.wake, stop, leave }
  })
