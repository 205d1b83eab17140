/**
 * A gateway's connections, from the upgrade until the socket is gone. Fibers
 * look at the upgrade and at the hello where that has to be waited for; in
 * between, and afterwards, a connection has none.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { bounded } from "../connection/bounded.js"
import { monotonic } from "../connection/clocks.js"
import * as Heartbeat from "../connection/heartbeat.js"
import type { Incoming, UpgradeRequest } from "../connection/Listener.js"
import { describe, IdleTimeout, ofMany } from "../connection/live/idleTimeout.js"
import { LiveConnection, type Owner } from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import * as ReadDeadline from "../connection/readDeadline.js"
import { isSuccess } from "../connection/syncEffect.js"
import type { Transport } from "../connection/Transport.js"
import * as timerQueue from "../connection/timerQueue.js"
import { Refused, refuse } from "../connection/upgradeRefusal.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { GatewayStats } from "./gatewayStats.js"
import * as accept from "./handshake.js"
import { ConnectionQuota, networkOf } from "./quota/connectionQuota.js"

/** A connection whose client has said hello. */
export interface Greeting {
  readonly live: LiveConnection
  readonly codec: Codec
  readonly hello: Protocol.Hello
  readonly request: UpgradeRequest
}

interface Services<R> {
  readonly options: Resolved
  readonly checks: accept.Checks<R>
  readonly stats: GatewayStats
  /** Runs a fiber that the gateway supervises. */
  readonly fork: <A>(effect: Effect.Effect<A, never, R>) => Fiber.RuntimeFiber<A>
  /** Answers a hello as far as it can be now, and gives the rest. */
  readonly greeted: (greeting: Greeting) => Effect.Effect<void, never, R>
}

/** The timers that keep all of them alive, and have them say hello in time. */
export interface Timing extends Pick<Owner, "clock" | "heartbeat" | "readDeadline"> {
  readonly hellos: timerQueue.TimerQueue
}

export const timing: Effect.Effect<Timing, never, Scope.Scope> = Effect.all({
  clock: Effect.clock as Effect.Effect<Clock.Clock>, // whatever the fiber's is
  heartbeat: Heartbeat.make,
  readDeadline: ReadDeadline.make,
  hellos: timerQueue.make
})

/** So many times in a second some are probed, where all are. */
const probes = 20

export class ConnectionManager<R> {
  /** Those that have ended are here for their close handshake; and what each counts by. */
  private readonly all = new Map<LiveConnection, string>()
  private readonly limits: ConnectionQuota
  readonly idleTimeout = new IdleTimeout(ofMany)
  private readonly owner: Owner
  /** True once the gateway ends: upgrades that come now are dropped. */
  stopped = false

  constructor(
    private readonly services: Services<R>,
    private readonly timing: Timing
  ) {
    this.limits = new ConnectionQuota(services.options)
    const { clock, heartbeat, readDeadline } = timing
    this.owner = {
      clock,
      heartbeat,
      readDeadline,
      fork: services.fork,
      closing: (live) => void services.fork(live.gone),
      closed: (live) => this.gone(live)
    }
  }

  [Symbol.iterator](): IterableIterator<LiveConnection> {
    return this.all.keys()
  }

  /** The number of those that have not ended. */
  get living(): number {
    let living = 0
    for (const { end } of this) if (end === undefined) living++
    return living
  }

  /**
   * Has every peer answer within `helloTimeout`, some at a time over a second: the machine may have slept, and nobody was told
   * what has become of them.
   */
  get probed(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { helloTimeout, readDeadline } = this.services.options
      // Those that are not kept alive yet have their own time-out.
      const all = [...this].filter(({ interval }) => interval > 0)
      const size = Math.max(1, Math.ceil(all.length / probes))
      const slices = Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
      const probe = (some: ReadonlyArray<LiveConnection>) =>
        Effect.zipRight(
          Effect.sync(() => {
            for (const live of some) live.probe(readDeadline, helloTimeout)
          }),
          Effect.sleep(1000 / probes)
        )
      return Effect.forEach(slices, probe, { discard: true })
    })
  }

  /** Drops all of them, and waits until they are gone, no longer than `closeTimeout`. */
  get dropped(): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const live of this) live.abandon(CloseCode.ServiceRestart, "the server restarts")
      const gone = Effect.forEach([...this], (live) => live.gone, { concurrency: "unbounded", discard: true })
      return Effect.asVoid(bounded(gone, this.services.options.closeTimeout))
    })
  }

  /** Counts a connection until it is refused, or its socket is gone. */
  arrived(incoming: Incoming): void {
    const address = networkOf(incoming.request.address)
    const refusal = this.limits.enter(address)
    if (refusal !== undefined) {
      this.services.fork(refuse(incoming, refusal))
      return
    }
    this.services.fork(this.accept(incoming, address)).addObserver((exit) => {
      if (exit._tag === "Failure" || !exit.value) this.limits.leave(address)
    })
  }

  /** True when there is a connection now. */
  private accept(incoming: Incoming, address: string): Effect.Effect<boolean, never, R> {
    const { checks, options } = this.services
    const verdict = accept.examine(incoming.request, checks, options.helloTimeout)
    if (isSuccess(verdict)) return this.open(incoming, verdict.value, address)
    const examined = Effect.catchAllDefect(verdict, (defect) =>
      Effect.zipRight(
        Effect.logError("holdfast: authorizeUpgrade died", defect),
        new Refused({ status: 500, code: "failed", body: "the server failed to look at this request" })
      )
    )
    // An upgrade that is never answered would hold up the server's close.
    const stopped = { status: 503, code: "restart", body: "the gateway is shutting down" } as const
    const answered = Effect.onInterrupt(examined, () => refuse(incoming, stopped))
    return Effect.matchEffect(answered, {
      onFailure: (refused) => Effect.as(refuse(incoming, refused), false),
      onSuccess: (codec) => this.open(incoming, codec, address)
    })
  }

  private open(incoming: Incoming, codec: Codec, address: string): Effect.Effect<boolean> {
    const died = (defect: unknown) => Effect.as(Effect.logError("holdfast: an upgrade died", defect), false)
    const opened = Effect.match(
      Effect.suspend(() => accept.open(incoming, codec, this.services.options)),
      {
        // A peer that left during the upgrade has no connection to speak of.
        onFailure: () => false,
        onSuccess: (transport) => this.opened(transport, incoming, codec, address)
      }
    )
    return Effect.uninterruptible(Effect.catchAllDefect(opened, died))
  }

  /** There is a connection now, whatever comes of it: true. */
  private opened(transport: Transport, incoming: Incoming, codec: Codec, address: string): boolean {
    const live = new LiveConnection(transport, this.services.options, this.owner)
    this.all.set(live, address)
    try {
      transport.limit?.(this.services.options.maxHello)
      this.hear(live, codec, incoming.request)
      if (this.stopped) live.abandon(CloseCode.ServiceRestart, "the server restarts")
    } catch (defect) {
      if (this.all.delete(live)) this.limits.leave(address)
      transport.destroy()
      this.services.fork(Effect.logError("holdfast: a connection died", defect))
    }
    return true
  }

  private hear(live: LiveConnection, codec: Codec, request: UpgradeRequest): void {
    const { helloTimeout, maxHello } = this.services.options
    const late = new LateHello(live, helloTimeout)
    this.timing.hellos.set(late, live.lastActivity + helloTimeout)
    accept.hello(live, codec, maxHello, (hello) => {
      late.isHeard = true
      this.timing.hellos.remove(late)
      if (hello !== undefined) this.answer({ live, codec, hello, request })
    })
  }

  private answer(greeting: Greeting): void {
    const rest = this.services.greeted(greeting)
    if (isSuccess(rest)) return
    const answered = Effect.catchAllDefect(rest, (defect) => {
      greeting.live.close(CloseCode.InternalError, "the server failed to look at this hello")
      return Effect.logError("holdfast: a hello died", defect)
    })
    this.services.fork(answered)
  }

  private gone(live: LiveConnection): void {
    const address = this.all.get(live)
    if (address === undefined) return
    if (live.end?._tag === "ConnectionLost" && live.interval > 0) this.lost(live)
    this.all.delete(live)
    this.limits.leave(address)
    this.services.stats.connectionGone(live.counts)
  }

  private lost(live: LiveConnection): void {
    const found = this.idleTimeout.lost(live, monotonic(this.timing.clock))
    if (found !== undefined) this.services.fork(Effect.logWarning(`holdfast: ${describe(found)}`))
  }

  /** Closes all of them, and waits until they are gone. */
  readonly closed: Effect.Effect<void> = Effect.suspend(() => {
    const all = [...this]
    for (const live of all) live.close(CloseCode.ServiceRestart, "the server restarts")
    return Effect.forEach(all, (live) => live.gone, { concurrency: "unbounded", discard: true })
  })
}

class LateHello extends timerQueue.Task {
  /** There was one, or there will be none. */
  isHeard = false

  constructor(
    private readonly live: LiveConnection,
    private readonly timeout: number
  ) {
    super()
  }

  due(): undefined {
    this.live.afterReads(() => {
      if (!this.isHeard) this.live.close(CloseCode.HelloTimeout, `no hello within ${this.timeout} ms`)
    })
  }

  died(defect: unknown): void {
    this.live.died(defect)
  }
}
