/**
 * The life of a client: connect, greet, be Ready, wait, and again, in one
 * supervised fiber.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { bounded } from "../connection/bounded.js"
import type { Dialer } from "../connection/Dialer.js"
import * as Heartbeat from "../connection/Heartbeat.js"
import { type HostEvent, HostEvents } from "../connection/HostEvents.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import type { Backoff } from "../connection/Reconnect.js"
import { statsOf } from "../connection/stats.js"
import { CloseCode, type Verdict, verdictOf } from "../protocol/CloseCode.js"
import type { Codec } from "../protocol/Codec.js"
import {
  type AttemptError,
  type MessageInvalid,
  MessageRefused,
  type TokenUnavailable
} from "../protocol/ConnectionError.js"
import * as features from "../protocol/features.js"
import type { InvalidDecision } from "../protocol/Messages.js"
import * as Protocol from "../protocol/Protocol.js"
import * as ackTimer from "../session/ackTimer.js"
import type { Abandoned, Hooks } from "../session/driverOptions.js"
import type { Pacer } from "../session/pacer.js"
import * as pacer from "../session/pacer.js"
import { SessionDriver } from "../session/sessionDriver.js"
import type { ClientEvent, ClientStats, EndReason, Start, Status } from "./ClientStatus.js"
import { describeEnd } from "./ClientStatus.js"
import { AttemptTerms, type Given } from "./dialTerms.js"
import * as handshake from "./handshake.js"
import { HeldSession, type Progress, stateOf } from "./resumeState.js"
import { ClientWait } from "./retryDelay.js"
import { type Keeper, SessionKeeper } from "./SessionKeeper.js"
import * as watched from "./subscribable.js"
import { ClientTopics } from "./subscriptions.js"
import { TokenRefresh } from "./tokenRefresh.js"

export interface LoopOptions<R> {
  readonly dialer: Dialer["Type"]
  readonly codec: Codec
  readonly options: Resolved
  readonly backoff: Backoff<R>
  readonly given: Given
  readonly context: Context.Context<R>
  readonly now: () => number
}

/** In milliseconds. */
interface Timing {
  readonly heartbeatInterval: number
  readonly readDeadline: number
}

/** A session that could not go on, and what became of its messages. */
type Lost = Omit<Extract<Start, { _tag: "Reset" }>, "_tag">

/** Whether another client of the same principal may yet go on with the session. */
const isKept = (reason: EndReason): boolean =>
  reason._tag === "GaveUp" ||
  (reason._tag === "Stopped" && (reason.verdict.why === "NotAuthenticated" || reason.verdict.why === "NotAllowed"))

const stopped = (verdict: Extract<Verdict, { _tag: "Stop" }>, end: AttemptError): EndReason =>
  verdict.why === "Ended" ? { _tag: "Closed" } : { _tag: "Stopped", verdict, end }

export class ClientLoop<R> {
  readonly driver: SessionDriver
  readonly topics: ClientTopics
  private readonly held: HeldSession
  private readonly waiting: ClientWait<R>
  private byeSent = false
  private wasReady = false
  /** The server has refused the credentials of the last attempt that it looked at, and no connection was Ready since. */
  private isRefused = false
  private readySince: number | undefined
  /** The connection of the attempt that is under way. */
  private greeting: LiveConnection | undefined
  private goaway: Protocol.Goaway | undefined
  /** What the connection is kept alive with. */
  private timing: Timing = { heartbeatInterval: 0, readDeadline: 0 }
  private fiber: Fiber.RuntimeFiber<void> | undefined
  /** Why this end stops, once it does. */
  private stopping: EndReason | undefined
  private readonly refresh: TokenRefresh | undefined

  private constructor(
    private readonly config: LoopOptions<R>,
    private readonly terms: AttemptTerms,
    keeper: Keeper | undefined,
    timer: ackTimer.AckTimer,
    pacing: Pacer,
    readonly status: watched.Watched<Status>,
    readonly events: watched.Events<ClientEvent>,
    readonly whenEnded: Deferred.Deferred<EndReason>
  ) {
    const { maxMessage, replayBytes, replayMessages } = config.options
    const bounds = { messages: replayMessages, bytes: replayBytes }
    this.waiting = new ClientWait(config.backoff, config.context, (waiting) => this.status.set(waiting))
    this.held = new HeldSession(keeper, () => this.progress)
    const append: NonNullable<Hooks["append"]> = (entries, done) => {
      this.held.add(entries)
      done(Exit.void)
    }
    const hooks: Hooks = {
      control: (message, live, size) => this.control(message, live, size),
      detached: () => this.topics.detached(),
      proved: () => {},
      drained: () => this.topics.drained(),
      arrived: undefined,
      released: () => this.held.released(this.driver.state.acked),
      recorded: keeper === undefined ? undefined : (upTo) => this.held.note(upTo),
      withdrawn: (seq) => this.held.withdrawn(seq),
      append: keeper === undefined ? undefined : append
    }
    this.driver = new SessionDriver({
      codec: config.codec,
      limits: { maxMessage, ...bounds },
      largestBody: maxMessage,
      bounds,
      state: stateOf(this.held.found, replayMessages),
      ackTimer: timer,
      hooks,
      pacing,
      marksReplay: false
    })
    this.driver.outbox.restore(this.held.found?.messages ?? [])
    const { maxSubscriptions, queueBytes, queueMessages } = config.options
    this.topics = new ClientTopics({
      codec: config.codec,
      bounds: { messages: queueMessages, bytes: queueBytes },
      maxInvitations: maxSubscriptions,
      limits: () => this.driver.flow.limits,
      pacing,
      later: (run) => timer.add({ sendAck: run }),
      now: config.now,
      patience: config.options.closeTimeout,
      subscribedBefore: this.held.found?.topics ?? [],
      changed: () => this.held.note(),
      invited: (topic) => this.events.publish({ _tag: "Invited", topic }),
      refused: ({ code, reason, topic }) =>
        this.events.publish({ _tag: "Refused", code, reason: `${topic}: ${reason}`, seq: undefined })
    })
    const failed = (error: TokenUnavailable) => this.events.publish({ _tag: "TokenUnavailable", error })
    const { token } = terms
    const answer = (live: LiveConnection, token: string) => this.driver.writeUnpaced(live, { type: "token", token })
    this.refresh = token === undefined ? undefined : new TokenRefresh(answer, token, failed)
  }

  static make<R>(config: LoopOptions<R>): Effect.Effect<ClientLoop<R>, never, Scope.Scope> {
    return Effect.gen(function* () {
      const { open } = yield* SessionKeeper
      const { listen } = yield* HostEvents
      const events = yield* watched.events<ClientEvent>()
      const failed = (cause: unknown) => events.leave({ _tag: "NotKept", cause })
      // What is kept is let go of before the connection has closed: the next client need not wait for that.
      const keeping = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const keeper = yield* Scope.extend(open({ subprotocol: config.codec.subprotocol, failed }), keeping)
      const loop = new ClientLoop(
        config,
        yield* AttemptTerms.make(config.given, config.options.tokenTimeout),
        keeper,
        yield* ackTimer.make(config.options.ackDelay),
        yield* pacer.make,
        yield* watched.make<Status>({ _tag: "Connecting", attempt: 1 }, (status) => status._tag === "Ended"),
        events,
        yield* Deferred.make<EndReason>()
      )
      const died = (defect: unknown) =>
        Effect.zipRight(
          Effect.logError("holdfast: the client died", defect),
          Effect.sync(() => loop.finish({ _tag: "Died", defect }))
        )
      const fiber = yield* Effect.forkScoped(Effect.catchAllDefect(loop.run, died))
      loop.fiber = fiber
      yield* listen((event) => loop.happened(event))
      // After the fiber in the order of finalizers, so before it when the scope closes.
      yield* Effect.addFinalizer((exit) => (keeper === undefined ? loop.close : loop.leave(Scope.close(keeping, exit))))
      return loop
    })
  }

  // ---- the loop

  private readonly run: Effect.Effect<void> = Effect.gen(this, function* () {
    let attempt = 1
    while (this.driver.endReason === undefined) {
      this.status.set({ _tag: "Connecting", attempt })
      this.readySince = undefined
      this.greeting = undefined
      this.goaway = undefined
      const ended = yield* this.connect
      if (Option.isNone(ended)) {
        attempt++
        continue
      }
      const end = ended.value
      yield* Effect.logDebug(`holdfast: ${end.message}`)
      const verdict = verdictOf(end, { byeSent: this.byeSent, wasReady: this.wasReady })
      if (verdict._tag === "Stop" && !this.mayBeFresh(verdict)) return this.finish(stopped(verdict, end))
      const now = (yield* Effect.clock).unsafeCurrentTimeMillis()
      const isStable = this.readySince !== undefined && now - this.readySince >= this.config.options.stableAfter
      if (isStable) yield* this.config.backoff.reset
      attempt = isStable ? 1 : this.goaway === undefined ? attempt + 1 : attempt
      const delay = yield* this.waiting.delay(end, this.goaway, verdict._tag === "Stop")
      if (Option.isNone(delay)) {
        return this.finish(verdict._tag === "Stop" ? stopped(verdict, end) : { _tag: "GaveUp", end })
      }
      yield* this.waiting.wait(attempt, delay.value, end)
    }
  })

  /** Whether the server may be asked once more, with fresh credentials. */
  private mayBeFresh({ why }: Extract<Verdict, { _tag: "Stop" }>): boolean {
    if (why !== "NotAuthenticated" || !this.terms.canBeFresh || this.isRefused) return false
    this.isRefused = true
    return true
  }

  /** One connection from dial to end, which it gives; or `None` when another attempt is to be made instead. */
  private readonly connect: Effect.Effect<Option.Option<AttemptError>> = Effect.suspend(() =>
    this.waiting.opening(this.open).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => {
            // Its peer may never answer: nobody waits for a farewell.
            this.greeting?.abandon(CloseCode.GoingAway, "another attempt takes its place")
            return Effect.succeedNone
          },
          onSome: (live) => Effect.asSome(live.ended)
        })
      ),
      Effect.scoped,
      Effect.catchAll((end) => Effect.succeedSome(end))
    )
  )

  /** A connection that has come to Ready. */
  private readonly open: Effect.Effect<LiveConnection, AttemptError, Scope.Scope> = Effect.suspend(() => {
    const { codec, dialer, options } = this.config
    return Effect.gen(this, function* () {
      const { headers, token, url } = yield* this.terms.next
      const live = yield* handshake.dial(dialer, options, { url, protocols: [codec.subprotocol], headers })
      this.greeting = live
      if (live.transport.ping === undefined) {
        live.messagePing = (id) => this.driver.writeUnpaced(live, { type: "ping", id })
      }
      const hello = this.hello(live, token)
      const { processed } = hello.resume ?? { processed: 0 }
      yield* handshake.greet(live, codec, hello, options.helloTimeout, {
        welcome: (welcome) => this.welcomed(live, welcome, processed),
        goaway: (goaway) => this.control(goaway, live, 0)
      })
      live.keepAlive(this.timing, yield* Heartbeat.jitter)
      return live
    })
  })

  private hello(live: LiveConnection, token: string | undefined): Protocol.Hello {
    const { acked, recorded } = this.driver.state
    const resume = this.held.ask(recorded, acked + 1)
    return {
      type: "hello",
      ...(token === undefined ? {} : { token }),
      ...(live.transport.ping === undefined ? { heartbeat: "message" as const } : {}),
      ...(resume === undefined ? {} : { resume }),
      features: Protocol.features,
      limits: { maxMessage: this.config.options.maxMessage }
    }
  }

  /** In the tick in which the welcome came: what follows it belongs to the session. */
  private welcomed(live: LiveConnection, welcome: Protocol.Welcome, told: number): void {
    const { generation, limits, processed, secret, session } = welcome
    if (welcome.resumed && !this.held.isOf(session)) {
      return live.violate(CloseCode.ProtocolViolation, "welcome: resumed a session that was not asked for")
    }
    live.features = features.shared(welcome.features)
    this.driver.obey(limits, live)
    if (welcome.resumed && this.driver.outbox.holdsLarger(limits.maxMessage, processed)) return this.giveUpSession(live)
    const start = this.startOf(welcome)
    const { heartbeatInterval, readDeadline } = this.config.options
    this.timing = {
      heartbeatInterval: Math.min(heartbeatInterval, welcome.heartbeat),
      readDeadline: Math.min(readDeadline, welcome.deadline)
    }
    // Before what was processed counts as delivered.
    for (const refusal of welcome.refused ?? []) this.refused(refusal)
    const event = {
      generation,
      peerProcessed: processed,
      peerOldest: 1,
      told: start._tag === "Resumed" ? told : 0
    }
    this.held.welcomed({ session, secret })
    // The acknowledgement shows the server that its new secret has arrived.
    const proof = () => {
      const ack = { type: "ack", ack: event.told } as const
      // Of a new session nothing has been taken at the server.
      if (welcome.resumed) this.driver.writeUnpaced(live, ack)
      else live.write(this.config.codec.encode(ack))
    }
    const refused = this.driver.attach(live, event, proof)
    if (refused !== undefined) {
      return live.violate(
        CloseCode.ProtocolViolation,
        `welcome: processed ${processed}, generation ${generation} cannot be`
      )
    }
    this.topics.attached(live, welcome.resumed, welcome.keyWindow ?? 0)
    this.readySince = live.lastActivity
    this.wasReady = true
    this.isRefused = false
    this.waiting.succeeded()
    this.status.set({ _tag: "Ready", session, generation, start, since: live.lastActivity })
  }

  private startOf(welcome: Protocol.Welcome): Start {
    if (welcome.resumed) return { _tag: "Resumed" }
    if (this.held.hasBegun) return { _tag: "Reset", ...this.startAfresh(welcome.reason ?? "unknown") }
    // Accepted before anybody knew what this server takes.
    if (this.driver.outbox.holdsLarger(this.driver.flow.maxMessage, 0)) this.abandon("the session begins")
    return { _tag: "Fresh" }
  }

  private startAfresh(reason: Protocol.ResetReason): Lost {
    const lost = { reason, ...this.abandon(`the session was lost: ${reason}`) }
    this.events.publish({ _tag: "SessionLost", ...lost })
    return lost
  }

  private abandon(why: string): Abandoned {
    this.held.forget()
    return this.driver.startAfresh(why, ({ message: reason }) =>
      this.events.publish({ _tag: "Refused", code: "too-large", reason, seq: undefined })
    )
  }

  /** The server takes less than it did, and would have to be sent more to go on: the next connection begins a new session. */
  private giveUpSession(live: LiveConnection): void {
    this.startAfresh("incomplete")
    live.write(this.config.codec.encode({ type: "bye" }))
    live.close(CloseCode.Normal, "a message of the session is larger than the server takes now")
  }

  private control(message: Parameters<Hooks["control"]>[0], live: LiveConnection, size: number): void {
    switch (message.type) {
      case "replayed":
        return
      case "goaway":
        this.goaway = message
        this.events.publish({ _tag: "GoingAway", retryAfter: message.retryAfter, reason: message.reason })
        return
      case "error":
        if (message.id !== undefined) return this.topics.refused(message.id, message)
        return this.refused(message)
      case "subscribed":
      case "unsubscribed":
      case "publication":
      case "published":
      case "invite":
        return this.topics.receive(message, size, live)
      case "authenticate":
        return this.refresh?.asked(live)
      default:
        live.violate(CloseCode.ProtocolViolation, `${message.type} is not for a client`)
    }
  }

  private refused({ code, reason, seq }: Protocol.Refusal): void {
    if (seq !== undefined) this.driver.outbox.refused(seq, new MessageRefused({ code, reason }))
    this.events.publish({ _tag: "Refused", code, reason, seq })
  }

  get stats(): ClientStats {
    const { counts, live, outbox, state } = this.driver
    return {
      connection: live === undefined ? undefined : { ...statsOf(live), ...this.timing },
      sent: state.sent,
      acknowledged: state.acked,
      received: state.received,
      processed: state.processed,
      unacknowledged: outbox.buffered,
      replayed: counts.replayed,
      suppressed: counts.suppressed
    }
  }

  private get progress(): Progress {
    const { acked: acknowledged, recorded: processed } = this.driver.state
    return { acknowledged, processed, topics: this.topics.names }
  }

  // ---- interruptions

  get wake(): Effect.Effect<void> {
    return this.waiting.wake
  }

  private happened(event: HostEvent): void {
    const { live } = this.driver
    if (event === "Leaving") return live?.close(CloseCode.GoingAway, "its program is being stopped")
    if (live === undefined) this.waiting.awake()
    else live.probe(this.timing.readDeadline, this.config.options.helloTimeout)
  }

  // ---- ends

  private finish(reason: EndReason, forgets = !isKept(this.stopping ?? reason)): void {
    if (this.driver.endReason !== undefined) return
    const asked = this.stopping ?? reason
    if (forgets) this.held.forget()
    this.driver.end(describeEnd(asked), !forgets && this.held.isKept)
    this.topics.end(describeEnd(asked))
    this.status.set({ _tag: "Ended", reason: asked })
    this.events.end()
    Deferred.unsafeDone(this.whenEnded, Effect.succeed(asked))
  }

  /** What becomes of a message that did not decode. */
  invalid(error: MessageInvalid, decision: InvalidDecision): Effect.Effect<void> {
    this.events.publish({ _tag: "MessageInvalid", error })
    const log = Effect.logWarning(`holdfast: ${error.message}`)
    return decision === "Continue" ? log : Effect.zipRight(log, this.stop({ _tag: "Invalid", error }))
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => this.stop({ _tag: "Closed" }))

  /** Ends, and leaves the session to the next client of its keeper, which is let go of. */
  private leave(letGo: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.driver.live?.close(CloseCode.GoingAway, "its scope was closed")
      this.finish({ _tag: "Closed" }, false)
      const interrupt = this.fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.fiber))
      return Effect.zipRight(letGo, interrupt)
    })
  }

  private stop(reason: EndReason): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      if (this.driver.endReason !== undefined) return
      if (this.stopping !== undefined) return yield* Effect.asVoid(Deferred.await(this.whenEnded))
      this.stopping = reason
      const { closeTimeout } = this.config.options
      const farewell = this.driver.live === undefined ? Effect.void : bounded(this.farewell, closeTimeout)
      // Whoever is interrupted while it waits has stopped the client all the same.
      yield* Effect.ensuring(farewell, this.conclude(reason))
    })
  }

  private conclude(reason: EndReason): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.driver.live?.abandon(CloseCode.Normal, "bye")
      this.finish(reason)
      return this.fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(this.fiber))
    })
  }

  /** Writes what was accepted, says bye, and waits for the server to close when it has processed it all. */
  private readonly farewell: Effect.Effect<void> = Effect.gen(this, function* () {
    yield* this.driver.close
    const live = this.driver.live
    if (live === undefined) return
    this.byeSent = true
    live.write(this.config.codec.encode({ type: "bye" }))
    yield* live.ended
  })
}
