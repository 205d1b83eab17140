/**
 * A session's topics on its gateway: answers its client's requests one after
 * the other, and holds what it is subscribed to, through its connections.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { CloseCode } from "../CloseCode.js"
import { byteLength, type Codec } from "../Codec.js"
import { TopicRefused } from "../ConnectionError.js"
import type { Principal } from "../GatewaySession.js"
import type * as Protocol from "../Protocol.js"
import * as Topic from "../Topic.js"
import type { Caller } from "../TopicRule.js"
import { made } from "./bounded.js"
import { type GatewayTopics, type Known, patiently } from "./gatewayTopics.js"
import type { LiveConnection } from "./liveConnection.js"
import { Outflow } from "./outflow.js"
import * as subscriber from "./subscriber.js"
import type { TopicFeed } from "./topicFeed.js"

export type Request = Protocol.Subscribe | Protocol.Unsubscribe | Protocol.Publish

/** The session, as far as its topics know it. */
export interface Subscribed<P extends Principal, R> {
  readonly id: string
  readonly codec: Codec
  readonly principal: P
  readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>
}

/** A subscription, whether a connection brings its publications now or not. */
interface Membership<P extends Principal, R> {
  readonly known: Known<P, R>
  /** The server's own wish, from here: nobody is asked whether it may. */
  invited: { readonly since: Protocol.Position | "oldest" } | undefined
  active: Active | undefined
}

interface Active {
  readonly feed: TopicFeed
  readonly subscriber: subscriber.Subscriber
  recovering: Fiber.RuntimeFiber<void> | undefined
}

export class SessionTopics<P extends Principal, R> {
  private readonly memberships = new Map<string, Membership<P, R>>()
  private outflow: Outflow | undefined
  private requests: Array<{ readonly request: Request; readonly size: number }> = []
  private requestBytes = 0
  private answering: Fiber.RuntimeFiber<void> | undefined
  /** The subscription that is being made, and whether the server does not want it any more. */
  private making: { readonly topic: string; revoked: string | undefined } | undefined
  private isOpen = false
  private isOver = false

  constructor(
    private readonly topics: GatewayTopics<P, R>,
    private readonly session: Subscribed<P, R>
  ) {}

  get names(): ReadonlyArray<string> {
    return [...this.memberships.keys()]
  }

  /** Publications that wait for the connection. */
  get queued(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.outflow?.messages ?? 0, bytes: this.outflow?.bytes ?? 0 }
  }

  // ---- the session's life

  /** The session's handlers are ready: requests are answered from now on. */
  opened(): void {
    this.isOpen = true
    this.answer()
  }

  attached(live: LiveConnection): void {
    this.detached()
    const { options } = this.topics
    this.outflow = new Outflow(live, this.session.codec, { messages: options.queueMessages, bytes: options.queueBytes })
    for (const [topic, { invited }] of this.memberships) {
      if (invited !== undefined) this.outflow.say({ type: "invite", topic, since: invited.since })
    }
  }

  /** The connection is gone; the client asks again on the next one. */
  detached(): void {
    this.outflow = undefined
    this.requests = []
    this.requestBytes = 0
    // What is being answered would be answered to nobody, but must not be cut short either: it is over soon.
    for (const membership of this.memberships.values()) this.deactivate(membership)
  }

  drained(): void {
    this.outflow?.pump()
  }

  /** Waits until every request was answered, and no publication waits for the connection any more. */
  readonly settled: Effect.Effect<void> = Effect.suspend(() => {
    const { answering, outflow } = this
    if (answering !== undefined) return Effect.zipRight(Fiber.await(answering), this.settled)
    return outflow === undefined
      ? Effect.void
      : Effect.async<void>((resume) => outflow.whenIdle(() => resume(Effect.void)))
  })

  ended(): void {
    this.isOver = true
    this.answering?.unsafeInterruptAsFork(FiberId.none)
    this.detached()
    this.memberships.clear()
  }

  private deactivate(membership: Membership<P, R>): void {
    const { active } = membership
    if (active === undefined) return
    membership.active = undefined
    active.subscriber.stop()
    active.recovering?.unsafeInterruptAsFork(FiberId.none)
    this.release(active.feed)
  }

  private release(feed: TopicFeed): void {
    // A feed that others follow is released at once; the last one closes the broker's subscription.
    this.session.fork(this.topics.feeds.release(feed))
  }

  // ---- requests

  /** A request of the client; they are answered in their order. */
  receive(request: Request, live: LiveConnection, size: number): void {
    const { maxMessage, maxSubscriptions, replayBytes, replayMessages } = this.topics.options
    // Publications in flight, as many as messages may be, and every subscription changed twice.
    const most = replayMessages + 3 * maxSubscriptions
    if (this.requests.length >= most || this.requestBytes > Math.max(replayBytes, maxMessage)) {
      const reason = "more requests sent without waiting for their answers than the limits allow"
      return live.violate(CloseCode.ProtocolViolation, reason)
    }
    this.requests.push({ request, size })
    this.requestBytes += size
    this.answer()
  }

  private answer(): void {
    if (!this.isOpen || this.answering !== undefined || this.requests.length === 0 || this.isOver) return
    const fiber = this.session.fork(this.answers)
    const done = fiber.unsafePoll()
    if (done !== null) {
      // A gateway that is closing runs nothing any more.
      if (done._tag === "Success") this.answer()
      return
    }
    this.answering = fiber
    fiber.addObserver((exit) => {
      this.answering = undefined
      if (exit._tag === "Success") this.answer()
    })
  }

  private readonly answers: Effect.Effect<void, never, R> = Effect.suspend(() => {
    const { outflow } = this
    const next = this.requests.shift()
    if (next === undefined || outflow === undefined) return Effect.void
    this.requestBytes -= next.size
    const { live } = outflow
    // Whoever does not read the answers is not asked to send more requests.
    const answered = live.isCongested
      ? Effect.flatMap(live.uncongested, () => this.answerOne(next.request, outflow))
      : this.answerOne(next.request, outflow)
    return Effect.flatMap(answered, () => this.answers)
  })

  private answerOne(request: Request, outflow: Outflow): Effect.Effect<void, never, R> {
    const answered = Effect.suspend(() => {
      const known = this.topics.find(request.topic)
      if (known instanceof TopicRefused) return Effect.fail(known)
      switch (request.type) {
        case "subscribe":
          return this.subscribe(request, known, outflow)
        case "unsubscribe":
          return this.unsubscribe(request, known, outflow)
        case "publish":
          return this.publish(request, known, outflow)
      }
    })
    return answered.pipe(
      Effect.catchAllCause((cause): Effect.Effect<void, TopicRefused> => {
        if (cause._tag === "Fail") return Effect.failCause(cause)
        // An interruption from outside does not come here: it is the rule's own.
        const forgotten = request.type === "subscribe" ? this.forget(request.topic) : Effect.void
        return Effect.logError(`holdfast: the rule of ${request.topic} died`, cause).pipe(
          Effect.zipRight(forgotten),
          Effect.zipRight(Effect.fail(refusal(request, "failed", "the server failed to answer")))
        )
      }),
      Effect.catchTag("TopicRefused", ({ code, reason }) =>
        Effect.sync(() => outflow.say({ type: "error", code, reason: reason.slice(0, 1000), id: request.id }))
      )
    )
  }

  private get caller(): Caller<P> {
    return { session: this.session.id, principal: this.session.principal }
  }

  private subscribe(
    request: Protocol.Subscribe,
    known: Known<P, R>,
    outflow: Outflow
  ): Effect.Effect<void, TopicRefused, R> {
    return Effect.gen(this, function* () {
      const { topic } = request
      const before = this.memberships.get(topic)
      if (before?.active !== undefined) {
        return yield* refusal(request, "already-subscribed", "this connection is subscribed to it")
      }
      const { maxSubscriptions } = this.topics.options
      if (before === undefined && this.memberships.size >= maxSubscriptions) {
        const reason = `a session may be subscribed to ${maxSubscriptions} topics: unsubscribe from one first`
        return yield* refusal(request, "too-many-subscriptions", reason)
      }
      this.making = { topic, revoked: undefined }
      if (before?.invited === undefined) yield* this.judge(request, known)
      const { feeds } = this.topics
      yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(patiently(feeds.acquire(topic))), (feed) =>
          Effect.onExit(restore(this.begin(request, known, feed, outflow)), (exit) =>
            exit._tag === "Success" && exit.value ? Effect.void : feeds.release(feed)
          )
        )
      )
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          this.making = undefined
        })
      )
    )
  }

  private judge(request: Protocol.Subscribe, known: Known<P, R>): Effect.Effect<void, TopicRefused, R> {
    const { topic } = request
    return made(() => known.matched.maySubscribe(this.caller)).pipe(
      Effect.catchTag("NotAllowed", ({ reason }) =>
        Effect.suspend(() =>
          // The server may have wished it meanwhile.
          this.memberships.get(topic)?.invited !== undefined
            ? Effect.void
            : Effect.zipRight(this.forget(topic), Effect.fail(refusal(request, "not-allowed", reason)))
        )
      )
    )
  }

  /** Whether the connection is still there to be subscribed. */
  private begin(
    request: Protocol.Subscribe,
    known: Known<P, R>,
    feed: TopicFeed,
    outflow: Outflow
  ): Effect.Effect<boolean, TopicRefused> {
    return Effect.gen(this, function* () {
      const { id, since, topic } = request
      if (known.hasMembers) {
        const member = { session: this.session.id, principal: this.session.principal.id }
        yield* patiently(this.topics.broker.join(topic, Topic.presenceOf(topic), member))
      }
      const { members, ...start } = yield* patiently(this.start(known, since))
      const revoked = this.making?.revoked
      if (revoked !== undefined) {
        if (known.hasMembers && !this.memberships.has(topic)) yield* this.leave(topic)
        return yield* refusal(request, "unsubscribed", revoked)
      }
      const membership = this.memberships.get(topic) ?? { known, invited: undefined, active: undefined }
      this.memberships.set(topic, membership)
      // A member all the same: its client, when it is back, asks again or unsubscribes.
      if (outflow !== this.outflow) return false
      outflow.say({ type: "subscribed", id, topic, policy: known.policy, ...start.answer, ...members })
      this.activate(membership, feed, outflow, start)
      return true
    })
  }

  private start(known: Known<P, R>, since: Protocol.Subscribe["since"]) {
    const { broker } = this.topics
    const { name, policy, presenceOf } = known
    if (presenceOf === undefined) {
      return Effect.map(subscriber.start(broker, name, policy, since), (start) => ({ ...start, members: {} }))
    }
    const snapshot = (answer: Partial<subscriber.Start["answer"]>) =>
      Effect.map(broker.members(presenceOf, name), ({ members, position }) => ({
        answer: { position, recovered: true, ...answer },
        from: position,
        publications: [],
        members: { members }
      }))
    if (typeof since !== "object") return snapshot({})
    return Effect.flatMap(subscriber.start(broker, name, policy, since), (start) =>
      start.answer.recovered
        ? Effect.succeed({ ...start, members: {} })
        : Effect.map(snapshot({}), ({ answer, ...rest }) => ({
            ...rest,
            answer: { ...start.answer, position: answer.position }
          }))
    )
  }

  private activate(membership: Membership<P, R>, feed: TopicFeed, outflow: Outflow, start: subscriber.Start): void {
    const { broker } = this.topics
    const { name, policy } = membership.known
    const tooSlow = () =>
      outflow.live.close(CloseCode.TooSlow, `more publications of ${name} wait than may: the client is too slow`)
    const following = new subscriber.Subscriber(feed, policy, outflow, start.from, tooSlow)
    const active: Active = { feed, subscriber: following, recovering: undefined }
    membership.active = active
    if (following.begin(start.publications)) return
    // The connection's end has its own ways of being told.
    active.recovering = this.session.fork(Effect.ignore(patiently(following.recover(broker))))
  }

  private unsubscribe(
    request: Protocol.Unsubscribe,
    known: Known<P, R>,
    outflow: Outflow
  ): Effect.Effect<void, TopicRefused> {
    const { id, pause, topic } = request
    const membership = this.memberships.get(topic)
    if (membership === undefined) {
      const refused = Effect.fail(refusal(request, "not-subscribed", "this session is not subscribed to it"))
      // On another gateway it may have been a member.
      return known.hasMembers ? Effect.zipRight(this.leave(topic), refused) : refused
    }
    const left = pause === true ? Effect.sync(() => this.deactivate(membership)) : this.forget(topic)
    return Effect.map(left, () => outflow.say({ type: "unsubscribed", id, topic }))
  }

  private publish(
    request: Protocol.Publish,
    known: Known<P, R>,
    outflow: Outflow
  ): Effect.Effect<void, TopicRefused, R> {
    const { body, id, key, topic } = request
    const { maxMessage } = this.topics.options
    if (known.presenceOf !== undefined) {
      return Effect.fail(refusal(request, "not-allowed", "the server alone publishes who is there"))
    }
    return Effect.gen(this, function* () {
      const payload = yield* made(() => known.matched.mayPublish(body, this.caller))
      const size = byteLength(payload)
      if (size > maxMessage) {
        return yield* refusal(request, "too-large", `${size} bytes, and the limit is ${maxMessage}`)
      }
      const { broker } = this.topics
      const position = yield* patiently(broker.publish(topic, payload, { key, retention: known.retention }))
      outflow.say({ type: "published", id, position })
    }).pipe(
      Effect.catchTags({
        NotAllowed: ({ reason }) => Effect.fail(refusal(request, "not-allowed", reason)),
        MessageInvalid: ({ issue }) => Effect.fail(refusal(request, "invalid-publication", issue)),
        KeyReused: ({ message }) => Effect.fail(refusal(request, "key-reused", message))
      })
    )
  }

  // ---- the server's own wishes

  /** Subscribes the session, whatever its client may by itself: it is asked to subscribe, now and on each connection. */
  invite(known: Known<P, R>, since: Protocol.Position | "oldest"): Effect.Effect<void, TopicRefused> {
    return Effect.suspend(() => {
      const { name: topic } = known
      const { maxSubscriptions } = this.topics.options
      if (!this.memberships.has(topic) && this.memberships.size >= maxSubscriptions) {
        const reason = `a session may be subscribed to ${maxSubscriptions} topics: unsubscribe it from one first`
        return Effect.fail(new TopicRefused({ topic, code: "too-many-subscriptions", reason }))
      }
      this.invited(known, since)
      return Effect.void
    })
  }

  private invited(known: Known<P, R>, since: Protocol.Position | "oldest"): void {
    if (this.isOver) return
    const { name: topic } = known
    const membership = this.memberships.get(topic) ?? { known, invited: undefined, active: undefined }
    membership.invited = { since }
    this.memberships.set(topic, membership)
    if (membership.active === undefined) this.outflow?.say({ type: "invite", topic, since })
  }

  /** Ends a subscription, and tells the client why. */
  expel(topic: string, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isMade = this.making?.topic === topic
      if (isMade && this.making !== undefined) this.making.revoked = reason
      if (!isMade && !this.memberships.has(topic)) return Effect.void
      this.outflow?.say({ type: "unsubscribed", topic, reason })
      return this.forget(topic)
    })
  }

  private forget(topic: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const membership = this.memberships.get(topic)
      if (membership === undefined) return Effect.void
      this.memberships.delete(topic)
      this.deactivate(membership)
      return membership.known.hasMembers ? this.leave(topic) : Effect.void
    })
  }

  private leave(topic: string): Effect.Effect<void> {
    return patiently(this.topics.broker.leave(this.session.id, { topic, after: 0 }))
  }
}

const refusal = ({ topic }: Request, code: string, reason: string): TopicRefused =>
  new TopicRefused({ topic: topic.slice(0, 300), code, reason })
