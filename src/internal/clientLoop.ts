/**
 * The life of a client: connect, greet, be Ready, wait, and again, in one
 * supervised fiber.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ClientEvent, ClientStats, EndReason, Start, Status } from "../ClientStatus.js"
import { describeEnd } from "../ClientStatus.js"
import { CloseCode, verdictOf } from "../CloseCode.js"
import type { Codec } from "../Codec.js"
import { type AttemptError, type MessageInvalid, MessageRefused, TokenUnavailable } from "../ConnectionError.js"
import type { Dialer } from "../Dialer.js"
import type { InvalidDecision } from "../Messages.js"
import type { Resolved } from "../Options.js"
import type * as Protocol from "../Protocol.js"
import type { Backoff } from "../Reconnect.js"
import * as Session from "../Session.js"
import * as ackTimer from "./ackTimer.js"
import { bounded } from "./bounded.js"
import { ClientTopics } from "./clientTopics.js"
import { statsOf } from "./connectionStats.js"
import * as handshake from "./handshake.js"
import type { LiveConnection } from "./liveConnection.js"
import type { Pacer } from "./pacer.js"
import * as pacer from "./pacer.js"
import { type Hooks, SessionDriver } from "./sessionDriver.js"
import { TokenRefresh } from "./tokenRefresh.js"
import * as watched from "./watched.js"

export interface LoopOptions<R> {
  readonly dialer: Dialer["Type"]
  readonly codec: Codec
  readonly options: Resolved
  readonly backoff: Backoff<R>
  readonly url: Effect.Effect<string, unknown>
  readonly token: Effect.Effect<string, unknown> | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly context: Context.Context<R>
  readonly now: () => number
}

/** In milliseconds. */
interface Timing {
  readonly heartbeatInterval: number
  readonly readDeadline: number
}

/** What resumes the session. */
interface Ticket {
  readonly session: string
  readonly secret: string
}

/**
 * The least delay that a server may ask for, in milliseconds: a server that
 * always says "come back at once" must not make a loop of it (centrifuge-js #408).
 */
const leastRetryAfter = 100

/** An hour: a server that asks for more is taken at its word only so far. */
const mostRetryAfter = 3_600_000

const within = (retryAfter: number): number => Math.min(mostRetryAfter, Math.max(leastRetryAfter, retryAfter))

export class ClientLoop<R> {
  readonly driver: SessionDriver
  readonly topics: ClientTopics
  private ticket: Ticket | undefined
  /** Hellos that asked to resume. */
  private resumes = 0
  private byeSent = false
  private readySince: number | undefined
  private goaway: Protocol.Goaway | undefined
  /** What the connection is kept alive with. */
  private timing: Timing = { heartbeatInterval: 0, readDeadline: 0 }
  private waking: (() => void) | undefined
  private fiber: Fiber.RuntimeFiber<void> | undefined
  /** Why this end stops, once it does. */
  private stopping: EndReason | undefined
  private readonly refresh: TokenRefresh | undefined

  private constructor(
    private readonly config: LoopOptions<R>,
    timer: ackTimer.AckTimer,
    pacing: Pacer,
    readonly status: watched.Watched<Status>,
    readonly events: watched.Events<ClientEvent>,
    readonly whenEnded: Deferred.Deferred<EndReason>
  ) {
    const { maxMessage, replayBytes, replayMessages } = config.options
    const bounds = { messages: replayMessages, bytes: replayBytes }
    const hooks: Hooks = {
      control: (message, live, size) => this.control(message, live, size),
      detached: () => this.topics.detached(),
      proved: () => {},
      drained: () => this.topics.drained(),
      released: () => {},
      append: undefined
    }
    this.driver = new SessionDriver({
      codec: config.codec,
      limits: { maxMessage, ...bounds },
      bounds,
      state: Session.initial(replayMessages),
      ackTimer: timer,
      hooks,
      pacing,
      marksReplay: false
    })
    const { maxSubscriptions, queueBytes, queueMessages } = config.options
    this.topics = new ClientTopics({
      codec: config.codec,
      bounds: { messages: queueMessages, bytes: queueBytes },
      maxInvitations: maxSubscriptions,
      limits: () => this.driver.allowed,
      pacing,
      later: (run) => timer.add({ sendAck: run }),
      now: config.now,
      invited: (topic) => this.events.publish({ _tag: "Invited", topic }),
      refused: ({ code, reason, topic }) =>
        this.events.publish({ _tag: "Refused", code, reason: `${topic}: ${reason}`, seq: undefined })
    })
    const failed = (error: TokenUnavailable) => this.events.publish({ _tag: "TokenUnavailable", error })
    const { codec, token } = config
    this.refresh = token === undefined ? undefined : new TokenRefresh(codec, this.asked(token), failed)
  }

  static make<R>(config: LoopOptions<R>): Effect.Effect<ClientLoop<R>, never, Scope.Scope> {
    return Effect.gen(function* () {
      const loop = new ClientLoop(
        config,
        yield* ackTimer.make(config.options.ackDelay),
        yield* pacer.make,
        yield* watched.make<Status>({ _tag: "Connecting", attempt: 1 }, (status) => status._tag === "Ended"),
        yield* watched.events<ClientEvent>(),
        yield* Deferred.make<EndReason>()
      )
      const died = (defect: unknown) =>
        Effect.zipRight(
          Effect.logError("holdfast: the client died", defect),
          Effect.sync(() => loop.finish({ _tag: "Died", defect }))
        )
      const fiber = yield* Effect.forkScoped(Effect.catchAllDefect(loop.run, died))
      loop.fiber = fiber
      // After the fiber in the order of finalizers, so before it when the scope closes: it says bye.
      yield* Effect.addFinalizer(() => loop.close)
      return loop
    })
  }

  // ---- the loop

  private readonly run: Effect.Effect<void> = Effect.gen(this, function* () {
    let attempt = 1
    while (this.driver.endReason === undefined) {
      this.status.set({ _tag: "Connecting", attempt })
      this.readySince = undefined
      this.goaway = undefined
      const end = yield* Effect.flip(this.connect)
      yield* Effect.logDebug(`holdfast: ${end.message}`)
      const verdict = verdictOf(end, { byeSent: this.byeSent })
      if (verdict._tag === "Stop") {
        return this.finish(verdict.why === "Ended" ? { _tag: "Closed" } : { _tag: "Stopped", verdict, end })
      }
      const now = (yield* Effect.clock).unsafeCurrentTimeMillis()
      const isStable = this.readySince !== undefined && now - this.readySince >= this.config.options.stableAfter
      if (isStable) yield* this.config.backoff.reset
      attempt = isStable ? 1 : this.goaway === undefined ? attempt + 1 : attempt
      const delay = yield* this.delay(end)
      if (Option.isNone(delay)) return this.finish({ _tag: "GaveUp", end })
      yield* this.wait(attempt, delay.value, end)
    }
  })

  /** One connection from dial to end. */
  private readonly connect: Effect.Effect<never, AttemptError> = Effect.suspend(() => {
    const { codec, dialer, headers, options, token, url } = this.config
    return Effect.gen(this, function* () {
      const credentials = token === undefined ? undefined : yield* this.asked(token)
      const address = yield* this.asked(url)
      const live = yield* handshake.dial(dialer, options, { url: address, protocols: [codec.subprotocol], headers })
      if (live.transport.ping === undefined) {
        live.messagePing = (id) => live.write(codec.encode({ type: "ping", id }))
      }
      const hello = this.hello(live, credentials)
      const { processed } = hello.resume ?? { processed: 0 }
      yield* handshake.greet(live, codec, hello, options.helloTimeout, {
        welcome: (welcome) => this.welcomed(live, welcome, processed),
        goaway: (goaway) => this.control(goaway, live, 0)
      })
      live.keepAlive(this.timing)
      return yield* Effect.flatMap(live.ended, Effect.fail)
    }).pipe(Effect.scoped)
  })

  private asked(value: Effect.Effect<string, unknown>): Effect.Effect<string, TokenUnavailable> {
    // A defect of the application's is a failed attempt too, and shown as its reason.
    return Effect.catchAllCause(value, (cause) => Effect.fail(new TokenUnavailable({ cause: Cause.squash(cause) })))
  }

  private hello(live: LiveConnection, token: string | undefined): Protocol.Hello {
    const { acked, recorded } = this.driver.state
    return {
      type: "hello",
      ...(token === undefined ? {} : { token }),
      ...(live.transport.ping === undefined ? { heartbeat: "message" as const } : {}),
      ...(this.ticket === undefined
        ? {}
        : { resume: { ...this.ticket, processed: recorded, oldest: acked + 1, attempt: ++this.resumes } })
    }
  }

  /** In the tick in which the welcome came: what follows it belongs to the session. */
  private welcomed(live: LiveConnection, welcome: Protocol.Welcome, told: number): void {
    const { generation, limits, processed, secret, session } = welcome
    if (welcome.resumed && session !== this.ticket?.session) {
      return live.violate(CloseCode.ProtocolViolation, "welcome: resumed a session that was not asked for")
    }
    const start = this.startOf(welcome)
    const { heartbeatInterval, readDeadline } = this.config.options
    this.timing = {
      heartbeatInterval: Math.min(heartbeatInterval, welcome.heartbeat),
      readDeadline: Math.min(readDeadline, welcome.deadline)
    }
    this.driver.obey(limits)
    // Before what was processed counts as delivered.
    for (const refusal of welcome.refused ?? []) this.refused(refusal)
    const event = {
      generation,
      peerProcessed: processed,
      peerOldest: 1,
      told: start._tag === "Resumed" ? told : 0
    }
    // The acknowledgement shows the server that its new secret has arrived.
    const proof = () => live.write(this.config.codec.encode({ type: "ack", ack: event.told }))
    const refused = this.driver.attach(live, event, proof)
    if (refused !== undefined) {
      return live.violate(
        CloseCode.ProtocolViolation,
        `welcome: processed ${processed}, generation ${generation} cannot be`
      )
    }
    this.ticket = { session, secret }
    this.topics.attached(live, welcome.resumed, welcome.keyWindow ?? 0)
    this.readySince = live.lastActivity
    this.status.set({ _tag: "Ready", session, generation, start, since: live.lastActivity })
  }

  private startOf(welcome: Protocol.Welcome): Start {
    if (welcome.resumed) return { _tag: "Resumed" }
    if (this.ticket === undefined) return { _tag: "Fresh" }
    const reason = welcome.reason ?? "unknown"
    const lost = { reason, ...this.driver.startAfresh(`the session was lost: ${reason}`) }
    this.events.publish({ _tag: "SessionLost", ...lost })
    return { _tag: "Reset", ...lost }
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
        if (message.id !== undefined) return this.topics.refused(message.id, message.code, message.reason)
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

  // ---- waiting

  /** What the server asked for, or else the policy's next delay. */
  private delay(end: AttemptError): Effect.Effect<Option.Option<number>> {
    return Effect.gen(this, function* () {
      const { backoff, context } = this.config
      // A server that says when to come back has not failed.
      if (this.goaway !== undefined) return Option.some(within(this.goaway.retryAfter))
      const next = yield* Effect.provide(backoff.next(end), context)
      return end._tag === "DialRefused" && end.retryAfter !== undefined
        ? Option.map(next, () => within(end.retryAfter ?? 0))
        : next
    })
  }

  private wait(attempt: number, delay: number, reason: AttemptError): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const now = (yield* Effect.clock).unsafeCurrentTimeMillis()
      const woken = yield* Deferred.make<void>()
      this.waking = () => Deferred.unsafeDone(woken, Effect.void)
      this.status.set({ _tag: "Waiting", attempt, delay, until: now + delay, reason })
      yield* Effect.raceFirst(Effect.sleep(delay), Deferred.await(woken))
      this.waking = undefined
    })
  }

  readonly wake: Effect.Effect<void> = Effect.sync(() => this.waking?.())

  // ---- ends

  private finish(reason: EndReason): void {
    if (this.driver.endReason !== undefined) return
    const asked = this.stopping ?? reason
    this.driver.end(describeEnd(asked))
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
