/**
 * A session on a gateway: it outlives its connections, runs the application's handler, in a supervised fiber where that has to be
 * waited for, and keeps the store in step.
 */

import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { wallTime } from "../../connection/clocks.js"
import type { UpgradeRequest } from "../../connection/Listener.js"
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Codec } from "../../protocol/Codec.js"
import type { ConnectionEnd, MessageInvalid, MessageTooLarge, SessionClosed } from "../../protocol/ConnectionError.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Acknowledging } from "../../session/ackTimer.js"
import type { Hooks } from "../../session/driverOptions.js"
import { InboundLimiter } from "../../session/inboundLimiter.js"
import type { Invitation, Loss, Mail } from "../../session/SessionStore.js"
import { SessionDriver } from "../../session/sessionDriver.js"
import type { Named } from "../../topic/Topic.js"
import type { Gateway, Principal, Session, SessionEnd, SessionInfo } from "../GatewaySession.js"
import { LazyTopics } from "../topics/lazyTopics.js"
import type { PresenceTracker } from "../topics/presenceTracker.js"
import { closing, endOf } from "./endReason.js"
import { FencedStore } from "./fencedStore.js"
import { HandlerFiber } from "./handlerFiber.js"
import { HandlerLoop } from "./handlerLoop.js"
import type { Peer, Told } from "./introduction.js"
import { InvitationRecord } from "./invitationRecord.js"
import { MailboxConsumer } from "./mailboxConsumer.js"
import type { Origin } from "./origin.js"
import { Refusals } from "./refusals.js"
import { Renewal } from "./renewal.js"
import { ResumeWindow } from "./resumeWindow.js"
import { SessionEnding, type Standing } from "./sessionEnding.js"
import { SessionHandle } from "./sessionHandle.js"
import { infoOf } from "./sessionInfo.js"
import { SessionRecord } from "./sessionRecord.js"
import type { SessionServices } from "./sessionServices.js"

export class HostedSession<C, S, P extends Principal, R> implements Session<S, P>, Acknowledging, Hooks {
  readonly id: string
  readonly codec: Codec
  principal: P
  readonly fencedStore: FencedStore
  readonly driver: SessionDriver
  readonly since: number
  /** The session as the application has it. */
  readonly handle: Session<S, P>

  private readonly ending: SessionEnding<P, R>
  private readonly topics: LazyTopics<P, R>
  private readonly fiber: HandlerFiber<R>
  private readonly record: SessionRecord
  private readonly window: ResumeWindow
  private readonly renewal: Renewal<P, R>
  private readonly invitations: InvitationRecord
  readonly loop: HandlerLoop<C, S, P, R>
  /** Made when there may be mail. */
  private intake: MailboxConsumer | undefined

  constructor(
    private readonly services: SessionServices<C, S, P, R>,
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
      services.outage
    )
    this.since = wallTime(services.clock)
    this.handle = new SessionHandle(this)
    const { replayBytes, replayMessages } = services.options
    const driving = {
      codec: origin.codec,
      limits: services.limits,
      largestBody: services.limits.maxMessage,
      bounds: { messages: replayMessages, bytes: replayBytes },
      ackTimer: services.ackTimer,
      guard: new InboundLimiter(services.guard, origin.codec),
      unfinished: services.unfinished,
      now: services.now,
      marksReplay: true
    }
    this.driver = new SessionDriver(driving, this, origin.state)
    this.driver.outbox.restore(origin.outbound)
    this.renewal = new Renewal(services, this)
    this.invitations = new InvitationRecord(services, this.id, this.fencedStore)
    this.topics = new LazyTopics(services, this)
    this.topics.restore(origin.invitations)
    this.ending = new SessionEnding(services, this.id, this.fencedStore)
    const refusals = new Refusals(services.limits.messages, origin.refused)
    this.record = new SessionRecord(services, this.id, this.fencedStore, this.driver, refusals)
    this.loop = new HandlerLoop(services, this, this.record, refusals, this.topics, this.ending)
    this.fiber = new HandlerFiber(services, this.loop)
    this.window = new ResumeWindow(services, this.id, this.fencedStore)
  }

  get ended(): boolean {
    return this.ending.end !== undefined
  }

  /** Why it is over, once it is. */
  get reason(): SessionEnd | undefined {
    return this.ending.end
  }

  get gateway(): Gateway<S, P> {
    return this.services.gateway
  }

  start(): void {
    if (this.loop.isQuiet && !this.ended) this.fiber.startIdle()
    else this.fiber.start()
    // Nobody would end it.
    if (this.services.isStopped()) this.finish({ _tag: "Shutdown" })
  }

  // ---- for the application

  send(message: S) {
    return this.driver.outbox.sendMade(() => this.services.encode(message, this.codec))
  }

  deliver(message: S) {
    return Effect.flatMap(this.services.encode(message, this.codec), (payload) =>
      this.driver.outbox.deliver(payload)
    ).pipe(
      // The protocol has no word for a client's refusal.
      Effect.catchTag("MessageRefused", (refused) => Effect.die(refused))
    )
  }

  offer(message: S) {
    return Effect.flatMap(this.services.encode(message, this.codec), (payload) =>
      Effect.suspend(() => {
        const size = byteLength(payload)
        const fits = size > this.driver.flow.maxMessage || this.driver.outbox.hasRoom(size)
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
    return Effect.flatMap(this.services.encode(message, this.codec), (payload) => {
      // Behind what was sent to it before it came here.
      const first = this.intake?.settled ?? Effect.void
      let seq: number | undefined
      const accepted = (given: number) => {
        seq = given
      }
      return Effect.zipRight(first, this.driver.outbox.send(payload, accepted)).pipe(
        Effect.as(true),
        Effect.catchTag("SessionClosed", (closed) =>
          this.reason?._tag === "MovedAway" ? this.record.isAppended(seq, closed) : Effect.fail(closed)
        )
      )
    })
  }

  subscribe({ name }: Named, options?: { readonly since?: Protocol.Position | "oldest" | undefined }) {
    return this.topics.subscribe(name, options?.since)
  }

  unsubscribe({ name }: Named, reason = "the server ended the subscription"): Effect.Effect<void> {
    return this.topics.unsubscribe(name, reason)
  }

  /** Runs a fiber that the gateway supervises. */
  fork<A>(effect: Effect.Effect<A, never, R>): Fiber.RuntimeFiber<A> {
    return this.services.fork(effect)
  }

  end(reason: string, { final = true }: { readonly final?: boolean | undefined } = {}): Effect.Effect<void> {
    return Effect.sync(() => this.finish({ _tag: "Ended", reason, final }))
  }

  get info(): Effect.Effect<SessionInfo> {
    return infoOf(this, this.topics, this.services.options.suspectAfter)
  }

  /** Called by the timer of delayed acknowledgements. */
  sendAck(): void {
    if (!this.ended) this.record.note(true)
  }

  get presence(): PresenceTracker | undefined {
    return this.topics.presence
  }

  invited(invitations: ReadonlyArray<Invitation>): void {
    this.invitations.note(invitations)
  }

  // ---- what others say and leave in the store

  /** The store says what became of a generation. */
  heard(generation: number, loss: Loss): void {
    if (generation < this.fencedStore.generation) return
    this.finish(endOf(loss), loss._tag === "Removed" ? "Gone" : undefined)
  }

  private get mail(): MailboxConsumer {
    const obey = (order: string) => Effect.zipRight(this.topics.obey(this.id, order), this.invitations.settled)
    this.intake ??= new MailboxConsumer(this.services, this.id, this.fencedStore, this.driver.outbox, obey)
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

  /** A connection has become the session's, in the store; now it acts for it here. */
  attach(
    live: LiveConnection,
    generation: number,
    peer: Peer,
    introduce: (told: Told) => void
  ): Protocol.ResetReason | undefined {
    if (!this.driver.heed(peer.takes, peer.processed)) return "incomplete"
    const { partIn: bytes, received: seq, recorded: told } = this.driver.state
    const { oldest: peerOldest, processed: peerProcessed, received: peerReceived } = peer
    const event = { generation, peerProcessed, peerReceived, peerOldest, told }
    const unfinished = live.features.has("chunks") ? this.driver.largeMessages?.chunks.unfinished : undefined
    const refused = this.driver.attach(live, event, peer.unfinished, () =>
      introduce({ processed: told, received: { seq, bytes }, unfinished })
    )
    if (refused === undefined) {
      this.window.close()
      this.topics.attached(live)
    }
    return refused
  }

  /** Refusals that a client which comes now may have missed; undefined where it takes less than they need. */
  missedRefusals(oldest: number, most: number) {
    return this.record.missed(oldest, most, this.codec)
  }

  /** Watches over the principal's expiry for this connection, of a `request` or without one. */
  watchExpiry(live: LiveConnection, request: UpgradeRequest | undefined): void {
    this.renewal.stop()
    if (this.driver.live === live) this.renewal.start(live, request)
  }

  /** The connection that the store's newest generation was for is gone already. */
  abandoned(): void {
    if (this.driver.live === undefined && !this.ended) this.detached()
  }

  // ---- what the driver tells

  arrived(): void {
    this.fiber.wake()
  }

  drained(): void {
    this.record.drained()
    this.topics.drained()
  }

  proved(generation: number): void {
    this.record.confirm(generation)
  }

  /** The store would never forget anything for a client that only listens. */
  released(): void {
    this.services.ackTimer.add(this)
  }

  append(...appended: Parameters<SessionRecord["append"]>): void {
    this.record.append(...appended)
  }

  detached(end?: ConnectionEnd): void {
    if (this.ended) return
    this.record.drained()
    this.topics.detached(end)
    this.renewal.stop()
    this.window.open(() => this.finish({ _tag: "Expired" }))
  }

  control(message: Parameters<Hooks["control"]>[0], live: LiveConnection, size: number): void {
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
    if (!this.ending.begin(end)) return
    this.window.close()
    this.renewal.stop()
    this.record.end()
    this.services.removed(this.id, end)
    const [code, reason] = closing(end)
    const live = this.driver.live
    if (end._tag === "Bye" || end._tag === "Shutdown") this.driver.sendAck()
    this.driver.end(reason)
    this.topics.ended()
    live?.close(code, reason)
    this.ending.release(end, known, this.topics.presence)
    this.fiber.end()
  }

  /** Once it has ended: 1 when this gateway has removed it from the store, 0 when it was gone or cannot be. */
  get removal(): Effect.Effect<number> {
    return this.ending.removal
  }

  /** Finishes the message in hand and the writes, then ends with `Shutdown`. */
  drain(retryAfter: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.ending.drain()
      const goaway = { type: "goaway", retryAfter, reason: "the server restarts" } as const
      this.driver.live?.write(this.codec.encode(goaway))
      this.loop.stop()
      return this.fiber.rested
    })
  }
}
