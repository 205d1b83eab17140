/**
 * A session's topics on its gateway: answers its client's requests one after
 * the other, and holds what it is subscribed to, through its connections.
 */

import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { made } from "../../connection/bounded.js"
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import { type ConnectionEnd, TopicRefused } from "../../protocol/ConnectionError.js"
import { saidReason } from "../../protocol/oneLine.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Request } from "../../protocol/requests.js"
import type { Invitation } from "../../session/SessionStore.js"
import type { Principal } from "../GatewaySession.js"
import type { Caller } from "../TopicRule.js"
import { ActiveSubscription } from "./activeSubscription.js"
import { type Delivering, DeliveryBacklog } from "./deliveryBacklog.js"
import * as memberIntake from "./memberIntake.js"
import { deactivate, Memberships } from "./memberships.js"
import { PresenceTracker } from "./presenceTracker.js"
import { PublicationIntake } from "./publicationIntake.js"
import { RequestIntake } from "./requestIntake.js"
import { refusal, tellRefused, tooManySubscriptions } from "./requestRefusal.js"
import * as subscriptionStart from "./subscriptionStart.js"
import type { TopicFeed } from "./topicFeed.js"
import type { Known, TopicRegistry } from "./topicRegistry.js"

/** The session, as far as its topics know it. */
export interface Subscribed<P extends Principal, R> extends Delivering {
  readonly id: string
  readonly principal: P
  readonly fencedStore: { readonly generation: number }
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
  /** The server's wishes have changed. */
  readonly invited: (invitations: ReadonlyArray<Invitation>) => void
}

/** A `subscribe` that is being answered, and why it must not be granted, once the server has said so. */
interface Subscribing<P extends Principal, R> {
  readonly known: Known<P, R>
  expelled: string | undefined
}

export class SessionSubscriptions<P extends Principal, R> {
  readonly presence: PresenceTracker
  private readonly memberships: Memberships<P, R>
  private subscribing: Subscribing<P, R> | undefined
  private backlog: DeliveryBacklog | undefined
  private readonly requests: RequestIntake<DeliveryBacklog, R>
  private readonly publications: PublicationIntake<P, R>
  private isOver = false

  constructor(
    private readonly topics: TopicRegistry<P, R>,
    private readonly session: Subscribed<P, R>,
    now: () => number
  ) {
    this.requests = new RequestIntake({
      limits: topics.options,
      now,
      fork: (effect) => session.fork(effect),
      addressee: () => this.backlog,
      answer: (request, backlog) => this.answer(request, backlog)
    })
    this.memberships = new Memberships(topics.options.maxSubscriptions)
    this.publications = new PublicationIntake(topics, session.id)
    this.presence = new PresenceTracker(topics, session)
  }

  get names(): ReadonlyArray<string> {
    return this.memberships.names
  }

  /** Publications that wait for the connection. */
  get queued(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.backlog?.messages ?? 0, bytes: this.backlog?.bytes ?? 0 }
  }

  // ---- the session's life

  /** The session's handlers are ready: requests are answered from now on. */
  opened(): void {
    this.requests.open()
  }

  /** A request of the client; they are answered in their order. */
  receive(request: Request, live: LiveConnection, size: number): void {
    this.requests.receive(request, live, size)
  }

  attached(live: LiveConnection): void {
    this.paused()
    this.presence.attached()
    const { queueBytes: bytes, queueMessages: messages } = this.topics.options
    this.backlog = new DeliveryBacklog(live, this.session, { messages, bytes })
    for (const invitation of this.memberships.invitations) this.backlog.say({ type: "invite", ...invitation })
  }

  /** The connection is gone. */
  detached(end: ConnectionEnd | undefined): void {
    this.paused()
    // A page that was closed does not come back on its own; one that is loaded again does, in another way than by waiting.
    const hasLeft = end?._tag === "ClosedByPeer" && end.code === CloseCode.GoingAway
    this.presence.detached(hasLeft ? 0 : this.topics.options.awayAfter)
  }

  /** Nothing is brought any more; the client asks again on its next connection. */
  private paused(): void {
    this.backlog = undefined
    this.requests.clear()
    for (const membership of this.memberships.all) deactivate(membership)
  }

  drained(): void {
    this.backlog?.drained()
  }

  /** Waits until every request was answered, and no publication waits for the connection any more. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(this.requests.settled, () => {
      for (const { active } of this.memberships.all) active?.tell()
      return this.backlog?.idle ?? Effect.void
    })
  )

  ended(): void {
    this.isOver = true
    this.requests.stop()
    this.paused()
    this.presence.ended()
    this.memberships.clear()
  }

  // ---- requests

  private answer(request: Request, backlog: DeliveryBacklog): Effect.Effect<void, never, R> {
    const answered = Effect.suspend(() => {
      const known = this.topics.find(request.topic)
      if (known instanceof TopicRefused) return Effect.fail(known)
      switch (request.type) {
        case "subscribe":
          return this.subscribe(request, known, backlog)
        case "unsubscribe":
          return this.unsubscribe(request, known, backlog)
        case "publish":
          return this.publish(request, known, backlog)
      }
    })
    return Effect.catchAllCause(answered, (cause) => tellRefused(request, cause, backlog))
  }

  private get caller(): Caller<P> {
    return { session: this.session.id, principal: this.session.principal }
  }

  private subscribe(
    request: Protocol.Subscribe,
    known: Known<P, R>,
    backlog: DeliveryBacklog
  ): Effect.Effect<void, TopicRefused, R> {
    return Effect.suspend(() => {
      if (this.memberships.get(known.name)?.active !== undefined) {
        return Effect.fail(refusal(request.topic, "already-subscribed", "this connection is subscribed to it"))
      }
      this.subscribing = { known, expelled: undefined }
      return this.grant(request, known, backlog).pipe(
        // Whoever is refused is no member, wherever it has become one.
        Effect.tapErrorCause(() => this.drop(known)),
        Effect.ensuring(
          Effect.sync(() => {
            this.subscribing = undefined
          })
        )
      )
    })
  }

  private grant(
    request: Protocol.Subscribe,
    known: Known<P, R>,
    backlog: DeliveryBacklog
  ): Effect.Effect<void, TopicRefused, R> {
    return Effect.gen(this, function* () {
      const { topic } = request
      const before = this.memberships.get(topic)
      if (!this.memberships.hasRoomFor(topic)) {
        return yield* tooManySubscriptions(topic, this.topics.options.maxSubscriptions)
      }
      if (before?.invited === undefined) yield* this.judge(request, known)
      const data = known.hasMembers ? yield* memberIntake.judged(topic, known, request.data, this.caller) : undefined
      const { feeds } = this.topics
      yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(this.topics.patiently(feeds.acquire(topic))), (feed) =>
          Effect.onExit(restore(this.begin(request, known, data, feed, backlog)), (exit) =>
            exit._tag === "Success" && exit.value ? Effect.void : feeds.release(feed)
          )
        )
      )
    })
  }

  private judge(request: Protocol.Subscribe, known: Known<P, R>): Effect.Effect<void, TopicRefused, R> {
    const { topic } = request
    return made(() => known.matched.maySubscribe(this.caller)).pipe(
      Effect.catchTag("NotAllowed", ({ reason }) =>
        Effect.suspend(() =>
          // The server may have wished it meanwhile.
          this.memberships.get(topic)?.invited !== undefined
            ? Effect.void
            : Effect.fail(refusal(request.topic, "not-allowed", reason))
        )
      )
    )
  }

  /** True when the connection is still there to be subscribed. */
  private begin(
    request: Protocol.Subscribe,
    known: Known<P, R>,
    data: unknown,
    feed: TopicFeed,
    backlog: DeliveryBacklog
  ): Effect.Effect<boolean, TopicRefused> {
    return Effect.gen(this, function* () {
      const { id, since, topic } = request
      if (known.hasMembers) yield* this.presence.join(topic, data)
      const { snapshot, ...start } = yield* this.topics.patiently(
        subscriptionStart.find(this.topics.broker, known, since, feed)
      )
      const expelled = this.subscribing?.expelled
      if (expelled !== undefined) return yield* refusal(request.topic, "not-allowed", expelled)
      const { codec } = this.session
      const subscribed = { type: "subscribed", id, topic, policy: known.policy, ...start.answer } as const
      const { frame, size } = snapshot?.frame(codec, subscribed) ?? sized(codec.encode(subscribed))
      const { maxMessage } = this.session.driver.flow
      const members = snapshot?.bytes(codec) ?? 0
      // Its client would close with 1009, for good.
      if (members > maxMessage) {
        const reason = `who is there takes ${members} bytes, and the limit is ${maxMessage}`
        return yield* refusal(request.topic, "too-large", reason)
      }
      const membership = this.memberships.of(known)
      // The client, which was not told, asks for it on its next connection, or to be unsubscribed.
      if (backlog !== this.backlog) return false
      backlog.write(frame)
      const cost = this.requests.cost()
      cost.add(size)
      const fork = (effect: Effect.Effect<void>) => this.session.fork(effect)
      membership.active = new ActiveSubscription(this.topics, fork, feed, known, backlog, start, cost)
      membership.active.begin()
      return true
    })
  }

  private unsubscribe(
    request: Protocol.Unsubscribe,
    known: Known<P, R>,
    backlog: DeliveryBacklog
  ): Effect.Effect<void, TopicRefused> {
    const { id, pause, topic } = request
    const membership = this.memberships.get(topic)
    if (membership === undefined) {
      // On another gateway it may have been a member.
      return Effect.zipRight(
        this.drop(known),
        Effect.fail(refusal(request.topic, "not-subscribed", "this session is not subscribed to it"))
      )
    }
    const left = pause === true ? Effect.sync(() => deactivate(membership)) : this.drop(known)
    return Effect.map(left, () => backlog.say({ type: "unsubscribed", id, topic }))
  }

  private publish(
    request: Protocol.Publish,
    known: Known<P, R>,
    backlog: DeliveryBacklog
  ): Effect.Effect<void, TopicRefused, R> {
    const { presenceOf } = known
    const published =
      presenceOf === undefined
        ? this.publications.publish(request, known, this.caller)
        : memberIntake.update(request, known, presenceOf, this.caller, this.presence)
    return Effect.map(published, (position) => backlog.say({ type: "published", id: request.id, position }))
  }

  // ---- the server's own wishes

  /** Subscribes the session, whatever its client may by itself: it is asked to subscribe, now and on each connection. */
  invite(known: Known<P, R>, since: Protocol.Position | "oldest"): TopicRefused | undefined {
    if (this.isOver) return undefined
    const { name: topic } = known
    if (!this.memberships.hasRoomFor(topic)) return tooManySubscriptions(topic, this.topics.options.maxSubscriptions)
    const membership = this.memberships.of(known)
    membership.invited = { since }
    this.session.invited(this.memberships.invitations)
    if (membership.active === undefined) this.backlog?.say({ type: "invite", topic, since })
    return undefined
  }

  /** Those that it came with. */
  restore(invitations: ReadonlyArray<Invitation>): void {
    for (const { since, topic } of invitations) {
      const known = this.topics.find(topic)
      // A rule that is gone invites nobody.
      if (!(known instanceof TopicRefused)) this.memberships.of(known).invited = { since }
    }
  }

  /** Ends a subscription, or one that is being made, and tells the client why. */
  expel(topic: string, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const membership = this.memberships.get(topic)
      const subscribing = this.subscribing?.known.name === topic ? this.subscribing : undefined
      if (subscribing !== undefined) subscribing.expelled ??= reason
      const known = membership?.known ?? subscribing?.known
      if (known === undefined) return Effect.void
      membership?.active?.tell()
      this.backlog?.say({ type: "unsubscribed", topic, reason: saidReason(reason) })
      return this.drop(known)
    })
  }

  private drop(known: Known<P, R>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { name, hasMembers } = known
      const membership = this.memberships.get(name)
      if (membership !== undefined) deactivate(membership)
      this.memberships.delete(name)
      if (membership?.invited !== undefined) this.session.invited(this.memberships.invitations)
      return hasMembers ? this.presence.leave(name) : Effect.void
    })
  }
}

const sized = (frame: Frame) => ({ frame, size: byteLength(frame) })
