/**
 * A session on a gateway: it outlives its connections, runs the application's
 * handler, in a supervised fiber where that has to be waited for, and keeps the
 * store in step.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import { bounded, made } from "../../connection/bounded.js"
import type { UpgradeRequest } from "../../connection/Listener.js"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Resolved } from "../../connection/Options.js"
import type { Outage } from "../../connection/outage.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Codec } from "../../protocol/Codec.js"
import type {
  BrokerUnavailable,
  MessageInvalid,
  MessageTooLarge,
  NotAllowed,
  NotAuthenticated,
  SessionClosed,
  TopicRefused
} from "../../protocol/ConnectionError.js"
import type { decoder, encoder } from "../../protocol/messageCodec.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Acknowledging, AckTimer } from "../../session/ackTimer.js"
import { type GuardTerms, RateGuard } from "../../session/inboundLimiter.js"
import type * as SessionState from "../../session/Session.js"
import type { Loss, Mail, SessionStore, StoredMessage } from "../../session/SessionStore.js"
import { type Hooks, SessionDriver } from "../../session/sessionDriver.js"
import type { Ref } from "../../topic/Topic.js"
import type { Gateway, Handlers, Hello, Principal, Session, SessionEnd, SessionInfo } from "../GatewaySession.js"
import type { GatewayStats } from "../gatewayStats.js"
import { LazyTopics } from "../topics/lazyTopics.js"
import type { PresenceTracker } from "../topics/presenceTracker.js"
import type { TopicRegistry } from "../topics/topicRegistry.js"
import { forget, leave, type Standing } from "./cleanup.js"
import { closing, endOf } from "./endReason.js"
import { FencedStore, type Outcome } from "./fencedStore.js"
import { HandlerFiber } from "./handlerFiber.js"
import { HandlerLoop } from "./handlerLoop.js"
import type { IdleReaper } from "./idleReaper.js"
import { MailboxConsumer } from "./mailboxConsumer.js"
import type { MicrotaskQueue } from "./microtaskQueue.js"
import { Renewal } from "./renewal.js"
import type { StoreAtOnce } from "./syncStore.js"

/** What all sessions of a gateway share. */
export interface Host<C, S, P extends Principal, R> {
  readonly options: Resolved
  readonly limits: Protocol.Limits
  readonly guard: GuardTerms
  readonly handlers: Handlers<C, S, P, R, R, R, R>
  readonly authenticate: (hello: Hello) => Effect.Effect<P, NotAuthenticated | NotAllowed, R>
  readonly encode: ReturnType<typeof encoder<S>>
  readonly decode: ReturnType<typeof decoder<C>>
  readonly store: SessionStore["Type"]
  readonly atOnce: StoreAtOnce
  /** Of the store. */
  readonly outage: Outage
  readonly ackTimer: AckTimer
  readonly topics: TopicRegistry<P, R> | undefined
  /** Runs a fiber that the gateway supervises. */
  readonly fork: <A>(effect: Effect.Effect<A, never, R>) => Fiber.RuntimeFiber<A>
  readonly microtasks: MicrotaskQueue
  readonly idleReaper: IdleReaper
  /** A new part of a heartbeat interval. */
  readonly jitter: () => number
  /** The gateway has ended its sessions. */
  readonly isStopped: () => boolean
  readonly now: () => number
  readonly gateway: Gateway<S, P>
  /** The session lives no more; its connection may be accounted for. */
  readonly removed: (id: string, end: SessionEnd) => void
  readonly stats: GatewayStats
  /** What a session that is over still has to do, until the application has heard of it. */
  readonly farewells: Set<Fiber.RuntimeFiber<void>>
}

/** What a session starts from: new, or as another gateway left it in the store. */
export interface Origin<P extends Principal> {
  readonly id: string
  readonly principal: P
  readonly codec: Codec
  readonly generation: number
  readonly state: SessionState.State
  readonly outbound: ReadonlyArray<StoredMessage>
}

/** What a client says of itself when it comes. */
export interface Peer {
  /** The last message that it has processed. */
  readonly processed: number
  /** The first of its own that it can send again. */
  readonly oldest: number
  /** Bytes of the largest message that it takes. */
  readonly takes: number
}

export class HostedSession<C, S, P extends Principal, R> implements Session<S, P>, Acknowledging {
  readonly id: string
  readonly codec: Codec
  principal: P
  readonly fencedStore: FencedStore
  readonly driver: SessionDriver
  readonly since: number

  private over: SessionEnd | undefined
  private readonly topics: LazyTopics<P, R>
  private readonly fiber: HandlerFiber<R>
  private opened = false
  private expiry: Fiber.RuntimeFiber<void> | undefined
  private forgetting: Fiber.RuntimeFiber<void> | undefined
  /** Whether it was this gateway that removed it from the store. */
  private removed = false
  private readonly renewal: Renewal<P, R>
  private draining = false
  /** The last append that the store did not answer at once, up to which message. */
  private appending: { readonly fiber: Fiber.RuntimeFiber<Outcome>; readonly upTo: number } | undefined
  /** Made when there may be mail. */
  private intake: MailboxConsumer | undefined
  readonly loop: HandlerLoop<C, S, P, R>

  constructor(
    private readonly host: Host<C, S, P, R>,
    origin: Origin<P>
  ) {
    this.id = origin.id
    this.codec = origin.codec
    this.principal = origin.principal
    this.fencedStore = new FencedStore(
      origin.generation,
      () => this.ended,
      (gone) => this.finish(gone ? { _tag: "Lost" } : { _tag: "MovedAway" }),
      () => this.askForMail(),
      host.outage
    )
    this.since = host.now()
    this.fiber = new HandlerFiber(host, this)
    const { replayBytes, replayMessages } = host.options
    const hooks: Hooks = {
      control: (message, live, size) => this.control(message, live, size),
      detached: () => this.detached(),
      arrived: () => this.fiber.wake(),
      drained: () => this.topics.drained(),
      proved: (generation) => this.proved(generation),
      // A client that only listens is the one that the store would otherwise never forget for.
      released: () => host.ackTimer.add(this),
      recorded: undefined,
      withdrawn: undefined,
      append: (entries, done) => this.append(entries, done)
    }
    this.driver = new SessionDriver({
      codec: origin.codec,
      limits: host.limits,
      largestBody: host.limits.maxMessage,
      bounds: { messages: replayMessages, bytes: replayBytes },
      state: origin.state,
      ackTimer: host.ackTimer,
      hooks,
      guard: new RateGuard(host.guard, origin.codec),
      marksReplay: true
    })
    this.driver.outbox.restore(origin.outbound)
    this.loop = new HandlerLoop(host, this)
    this.renewal = new Renewal(host, this)
    this.topics = new LazyTopics(host, this)
  }

  get ended(): boolean {
    return this.over !== undefined
  }

  /** Why it is over, once it is. */
  get reason(): SessionEnd | undefined {
    return this.over
  }

  get gateway(): Gateway<S, P> {
    return this.host.gateway
  }

  start(): void {
    if (this.host.handlers.onOpen !== undefined || this.hasWork || this.ended) {
      this.fiber.start()
    } else {
      this.opened = true
      this.topics.opened()
      this.fiber.startIdle()
    }
    // Nobody would end it.
    if (this.host.isStopped()) this.finish({ _tag: "Shutdown" })
  }

  // ---- for the application

  send(message: S) {
    return this.driver.outbox.sendMade(() => this.host.encode(message, this.codec))
  }

  deliver(message: S) {
    return Effect.flatMap(this.host.encode(message, this.codec), (payload) => this.driver.outbox.deliver(payload)).pipe(
      // The protocol has no word for a client's refusal.
      Effect.catchTag("MessageRefused", (refused) => Effect.die(refused))
    )
  }

  offer(message: S) {
    return Effect.flatMap(this.host.encode(message, this.codec), (payload) =>
      Effect.suspend(() => {
        const size = byteLength(payload)
        const fits = size > this.driver.maxMessage || this.driver.outbox.hasRoom(size)
        if (!this.ended && !fits) this.finish({ _tag: "Overflow" })
        return this.driver.outbox.send(payload)
      })
    )
  }

  /**
   * Sends, for `gateway.send`. False when the session has moved away and the message is surely not with it; in doubt, it
   * fails like `send`.
   */
  place(message: S): Effect.Effect<boolean, SessionClosed | MessageInvalid | MessageTooLarge> {
    return Effect.flatMap(this.host.encode(message, this.codec), (payload) => {
      // Behind what was sent to it before it came here.
      const first = this.intake?.settled ?? Effect.void
      let seq: number | undefined
      const accepted = (given: number) => {
        seq = given
      }
      return Effect.zipRight(first, this.driver.outbox.send(payload, accepted)).pipe(
        Effect.as(true),
        Effect.catchTag("SessionClosed", (closed) =>
          this.over?._tag === "MovedAway" ? this.isAppended(seq, closed) : Effect.fail(closed)
        )
      )
    })
  }

  /** Once it has moved away: whether this message is with it. */
  private isAppended<E>(seq: number | undefined, inDoubt: E): Effect.Effect<boolean, E> {
    const { appending } = this
    if (seq === undefined) return Effect.succeed(false)
    if (appending === undefined || seq > appending.upTo) return Effect.succeed(seq <= this.driver.state.appended)
    return Effect.flatMap(Fiber.await(appending.fiber), (exit) =>
      Exit.isFailure(exit) || exit.value === "InDoubt" ? Effect.fail(inDoubt) : Effect.succeed(exit.value === undefined)
    )
  }

  subscribe<A>(
    { name }: Ref<A>,
    options?: { readonly since?: Protocol.Position | "oldest" | undefined }
  ): Effect.Effect<void, SessionClosed | TopicRefused | BrokerUnavailable> {
    return this.topics.subscribe(name, options?.since)
  }

  unsubscribe<A>({ name }: Ref<A>, reason = "the server ended the subscription"): Effect.Effect<void> {
    return this.topics.unsubscribe(name, reason)
  }

  /** Runs a fiber that the gateway supervises. */
  fork<A>(effect: Effect.Effect<A, never, R>): Fiber.RuntimeFiber<A> {
    return this.host.fork(effect)
  }

  end(reason: string): Effect.Effect<void> {
    return Effect.sync(() => this.finish({ _tag: "Ended", reason }))
  }

  get info(): Effect.Effect<SessionInfo> {
    return Effect.sync(() => {
      const live = this.driver.live
      return {
        id: this.id,
        principal: this.principal.id,
        since: this.since,
        generation: this.fencedStore.generation,
        connection:
          live === undefined
            ? undefined
            : {
                remoteAddress: live.transport.remoteAddress,
                since: live.since,
                lastActivity: live.lastActivity,
                roundTrip: live.roundTrip,
                heartbeatsMissed: live.counts.heartbeatsMissed
              },
        unacknowledged: this.driver.outbox.buffered,
        unprocessed: this.driver.state.received - this.driver.state.processed,
        ...this.driver.counts,
        subscriptions: this.topics.names,
        queued: this.topics.queued
      }
    })
  }

  // ---- the fiber

  get hasWork(): boolean {
    const { inbox } = this.driver
    return !inbox.isEmpty || inbox.isClosed
  }

  /** Does what there is to do as far as that needs no fiber, and gives the rest. */
  advance(): Effect.Effect<void, never, R> | undefined {
    try {
      const rest = this.opened
        ? this.loop.advance()
        : Effect.flatMap(this.open, () => this.loop.advance() ?? Effect.void)
      if (rest === undefined && !this.driver.inbox.isClosed) return undefined
      return Effect.catchAllCause(Effect.zipRight(rest ?? Effect.void, this.afterwards), (cause) => this.failed(cause))
    } catch (defect) {
      return this.failed(Cause.die(defect))
    }
  }

  private get afterwards(): Effect.Effect<void> {
    return Effect.suspend(() => (this.driver.inbox.isClosed ? this.nothingMore : Effect.void))
  }

  private get open(): Effect.Effect<void, unknown, R> {
    this.opened = true
    const { onOpen } = this.host.handlers
    return Effect.map(onOpen === undefined ? Effect.void : made(() => onOpen(this)), () => this.topics.opened())
  }

  /** The client said bye, or this gateway drains, and all that had to be handled was. */
  private get nothingMore(): Effect.Effect<void> {
    if (this.ended) return Effect.void
    return Effect.map(Effect.all([this.topics.settled, this.loop.noted, this.driver.close], { discard: true }), () =>
      this.finish(this.draining ? { _tag: "Shutdown" } : { _tag: "Bye" })
    )
  }

  /** Called by the timer of delayed acknowledgements. */
  sendAck(): void {
    if (!this.ended) this.loop.note(true)
  }

  private failed(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    // An interruption from outside does not come here: this one is the handler's own.
    if (this.ended) return Effect.void
    const told = Effect.logError("holdfast: a handler failed, its session ends", cause).pipe(
      Effect.annotateLogs({ session: this.id, principal: this.principal.id })
    )
    // First: the end interrupts this fiber.
    return Effect.map(told, () => this.finish({ _tag: "HandlerFailed", cause }))
  }

  /** The last thing of a session: the application hears of it. */
  get farewell(): Effect.Effect<void, never, R> {
    // Interrupted from outside: the gateway's scope closes, and forks nothing any more.
    const forgotten = this.forgetting === undefined ? this.forgottenHere : Fiber.await(this.forgetting)
    const closed = Effect.suspend(() => {
      const { onClose } = this.host.handlers
      const { over } = this
      if (onClose === undefined || over === undefined) return Effect.void
      return Effect.catchAllCause(
        made(() => onClose(this, over)),
        (cause) => Effect.logError("holdfast: onClose failed", cause)
      )
    })
    // The gateway's scope waits for this: neither the store nor the application may hold it up.
    return Effect.flatMap(bounded(Effect.zipRight(forgotten, closed), this.host.options.closeTimeout), (done) =>
      Option.isSome(done)
        ? Effect.void
        : Effect.logWarning(`holdfast: session ${this.id} ended without waiting longer for its store and onClose`)
    )
  }

  private get forgottenHere(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const over = this.conclude({ _tag: "Shutdown" })
      this.fiber.ending()
      return Effect.flatMap(this.forget(over), (standing) => leave(this.host, this, over, standing))
    })
  }

  private forget(over: SessionEnd): Effect.Effect<Standing> {
    return Effect.tap(forget(this.host, this, over), (standing) => {
      this.removed = standing === "Removed"
    })
  }

  /** What nobody waits for but the gateway's end, of which a farewell is a part. */
  private leave(over: SessionEnd, standing: Standing): void {
    if (this.host.topics?.hasMembers !== true) return
    this.track(this.host.fork(leave(this.host, this, over, standing)))
  }

  get presence(): PresenceTracker | undefined {
    return this.topics.presence
  }

  // ---- the store

  private append(entries: ReadonlyArray<StoredMessage>, done: (exit: Exit.Exit<unknown, unknown>) => void): void {
    const told = this.host.atOnce.append?.(this.id, this.fencedStore.generation, entries)
    if (told?._tag === "Success") return done(told)
    const fiber = this.host.fork(
      this.fencedStore.run((generation) => this.host.store.append(this.id, generation, entries))
    )
    // It may have answered already; waiting for that would cost a turn of the scheduler a message.
    const exit = fiber.unsafePoll()
    if (exit !== null) return done(exit)
    this.appending = { fiber, upTo: entries.at(-1)?.seq ?? 0 }
    fiber.addObserver(done)
  }

  // ---- what others say and leave in the store

  /** The store says what became of a generation. */
  heard(generation: number, loss: Loss): void {
    if (generation < this.fencedStore.generation) return
    this.finish(endOf(loss), loss._tag === "Removed" ? "Gone" : undefined)
  }

  private get mail(): MailboxConsumer {
    this.intake ??= new MailboxConsumer(this.host, this)
    return this.intake
  }

  /** The mail that the store gave with the session; `more` when some may have come since. */
  restoreMail(mail: ReadonlyArray<Mail>, more: boolean): void {
    if (mail.length > 0 || more) this.mail.restore(mail, more)
  }

  /** There may be mail. */
  askForMail(): void {
    if (!this.ended) this.mail.ask()
  }

  // ---- connections

  /** The client has the secret of this generation, and of no later one: the store may be told only that. */
  private proved(generation: number): void {
    if (this.host.atOnce.confirm?.(this.id, generation)._tag === "Success") return
    const confirmed = this.host.store.confirm(this.id, generation)
    this.host.fork(
      Effect.catchAll(confirmed, (error) =>
        error._tag === "Fenced"
          ? Effect.void
          : Effect.logWarning(`holdfast: session ${this.id} keeps its old secret: ${error.message}`)
      )
    )
  }

  /** A connection has become the session's, in the store; now it acts for it here. */
  attach(
    live: LiveConnection,
    generation: number,
    peer: Peer,
    introduce: (processed: number) => void
  ): Protocol.ResetReason | undefined {
    if (!this.driver.heed(peer.takes, peer.processed)) return "incomplete"
    const told = this.driver.state.recorded
    const refused = this.driver.attach(
      live,
      { generation, peerProcessed: peer.processed, peerOldest: peer.oldest, told },
      () => introduce(told)
    )
    if (refused === undefined) {
      this.stopExpiry()
      this.topics.attached(live)
    }
    return refused
  }

  /** Watches over the principal's expiry for this connection; `request` is there if it has one. */
  watchExpiry(live: LiveConnection, request: UpgradeRequest | undefined): void {
    this.renewal.stop()
    if (this.driver.live === live) this.renewal.start(live, request)
  }

  /** The connection that the store's newest generation was for is gone already. */
  abandoned(): void {
    if (this.driver.live === undefined && !this.ended) this.detached()
  }

  private detached(): void {
    if (this.ended) return
    this.topics.detached()
    this.renewal.stop()
    this.stopExpiry()
    const { resumeWindow } = this.host.options
    const window = this.fencedStore.run((generation) => this.host.store.detach(this.id, generation, resumeWindow))
    // At the last millisecond of the window the session can still be resumed.
    const expire = Effect.map(Effect.sleep(resumeWindow + 1), () => this.finish({ _tag: "Expired" }))
    this.expiry = this.host.fork(Effect.zipRight(window, expire))
  }

  private stopExpiry(): void {
    this.expiry?.unsafeInterruptAsFork(FiberId.none)
    this.expiry = undefined
  }

  private control(message: Parameters<Hooks["control"]>[0], live: LiveConnection, size: number): void {
    switch (message.type) {
      case "bye":
        return this.driver.inbox.close("nothing more is handled")
      case "subscribe":
      case "unsubscribe":
      case "publish":
        return this.topics.receive(message, live, size)
      case "token":
        return this.renewal.answered(message.token, live)
      default:
        live.violate(CloseCode.ProtocolViolation, `${message.type} is not expected here`)
    }
  }

  // ---- ends

  /** The session is over, for this reason if it is the first. `known` is what the store says of it, if that has said it. */
  finish(end: SessionEnd, known?: Standing): void {
    if (this.over !== undefined) return
    this.conclude(end)
    // At once, whatever the handler is at: a client that returns must hear of it.
    const forgetting = known === undefined ? this.forget(end) : Effect.succeed(known)
    const forgotten = Effect.map(forgetting, (standing) => this.leave(end, standing))
    this.forgetting = this.host.fork(Effect.uninterruptible(forgotten))
    this.fiber.end()
  }

  /** Once it has ended: 1 when this gateway has removed it from the store, 0 when it was gone or cannot be. */
  get removal(): Effect.Effect<number> {
    return Effect.suspend(() => {
      const forgotten = this.forgetting === undefined ? Effect.void : Fiber.await(this.forgetting)
      return Effect.map(forgotten, () => (this.removed ? 1 : 0))
    })
  }

  private conclude(end: SessionEnd): SessionEnd {
    this.over = end
    this.stopExpiry()
    this.renewal.stop()
    this.loop.end()
    this.host.removed(this.id, end)
    const [code, reason] = closing(end)
    const live = this.driver.live
    if (end._tag === "Bye" || end._tag === "Shutdown") this.driver.sendAck()
    this.driver.end(reason)
    this.topics.ended()
    live?.close(code, reason)
    return end
  }

  private track(fiber: Fiber.RuntimeFiber<void>): void {
    const { farewells } = this.host
    farewells.add(fiber)
    fiber.addObserver(() => void farewells.delete(fiber))
  }

  /** Finishes the message in hand and the writes, then ends with `Shutdown`. */
  drain(retryAfter: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.draining = true
      const goaway = { type: "goaway", retryAfter, reason: "the server restarts" } as const
      this.driver.live?.write(this.codec.encode(goaway))
      this.loop.stop()
      return this.fiber.rested
    })
  }
}
