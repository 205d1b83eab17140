/** A client's topics: what it asks its server for, again on each connection, and who gets the answers. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type { LiveConnection } from "../connection/liveConnection.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec } from "../protocol/Codec.js"
import { TopicRefused } from "../protocol/ConnectionError.js"
import * as Protocol from "../protocol/Protocol.js"
import type { Pacer } from "../session/pacer.js"
import type { Bounds } from "../topic/bounds.js"
import * as Topic from "../topic/Topic.js"
import { type Fate, Publisher } from "./publishQueue.js"
import { RequestQueue } from "./requestQueue.js"
import { TopicSubscription } from "./subscription.js"

/** What a server says of topics. */
export type TopicMessage = Extract<
  Protocol.ServerMessage,
  { type: "subscribed" | "unsubscribed" | "publication" | "published" | "invite" }
>

export interface ClientTopicsOptions {
  readonly codec: Codec
  readonly bounds: Bounds
  /** Topics that a server may have this client subscribed to without anybody reading them. */
  readonly maxInvitations: number
  readonly limits: () => Protocol.Limits
  readonly pacing: Pacer
  /** Calls back after a short while, if the client lives still. */
  readonly later: (run: () => void) => void
  readonly now: () => number
  /** Milliseconds for which a consumer waits for the end of one that was interrupted. */
  readonly patience: number
  /** What the session is subscribed to already. */
  readonly subscribedBefore: ReadonlyArray<string>
  /** `names` has changed. */
  readonly changed: () => void
  /** The server has subscribed this client to a topic. */
  readonly invited: (topic: string) => void
  /** The server refused what nobody waits for. */
  readonly refused: (refusal: TopicRefused) => void
}

/** UTF-16 units of the longest key. */
const longestKey = 128

/** In place of a request: an earlier client was subscribed to the topic, and this one may yet ask for it. */
const unasked = 0

const flawOf = (topic: string): string | undefined => Topic.flaw(Topic.presenceBase(topic) ?? topic)
const isPosition = Schema.is(Protocol.Position)

export class ClientTopics {
  readonly publisher: Publisher
  private readonly subscriptions = new Map<string, TopicSubscription>()
  /** Unsubscribed, as far as this end is concerned, by the request that says so. */
  private readonly leaving = new Map<string, number>()
  /** Subscribed by the server's wish, which it repeats on each connection of the session. */
  private readonly invitations = new Set<string>()
  private readonly queue: RequestQueue
  private live: LiveConnection | undefined
  private nextId = 1
  private isOver = false

  constructor(private readonly options: ClientTopicsOptions) {
    const { codec, limits, now, pacing, subscribedBefore } = options
    for (const topic of subscribedBefore) this.leaving.set(topic, unasked)
    this.queue = new RequestQueue(pacing)
    this.publisher = new Publisher(codec, limits, this.queue, now)
  }

  /** What the session may be subscribed to by this end's wish. */
  get names(): ReadonlyArray<string> {
    const wished = [...this.subscriptions.keys()].filter((topic) => !this.invitations.has(topic))
    return [...new Set([...wished, ...this.leaving.keys()])]
  }

  // ---- for the application

  /** Whether the topic's consumer has let go of it, who was interrupted just now; `undefined` where there is none to wait for. */
  whenLeft(topic: string): Effect.Effect<boolean> | undefined {
    const claim = this.subscriptions.get(topic)?.claim
    return claim?.isTaken === true ? claim.isLeft(this.options.patience) : undefined
  }

  /** The subscription for a new consumer; refused while another has it. */
  claim(
    topic: string,
    since: Protocol.Position | "oldest" | undefined,
    consumer: Fiber.RuntimeFiber<unknown, unknown>
  ): TopicSubscription | TopicRefused {
    const flaw = flawOf(topic)
    if (flaw !== undefined) return new TopicRefused({ topic, code: "malformed-topic", reason: flaw })
    if (typeof since === "object" && !isPosition(since)) {
      const reason = "a position has an epoch of 1 to 128 characters, and an offset that is an integer from 0 on"
      return new TopicRefused({ topic, code: "malformed-position", reason })
    }
    const known = this.subscriptions.get(topic)
    if (known?.claim.isTaken === true) {
      const reason = "this client is reading it already: share its stream instead"
      return new TopicRefused({ topic, code: "already-subscribed", reason })
    }
    // The server's wish goes on where it was, unless the consumer knows better.
    if (known !== undefined && since === undefined) {
      known.claim.take(consumer)
      return known
    }
    if (known !== undefined) this.restart(known)
    const subscription = this.add(topic, since)
    subscription.claim.take(consumer)
    if (known !== undefined) subscription.mayBeKnown = true
    return subscription
  }

  /** The consumer has gone. */
  release(subscription: TopicSubscription): void {
    const { claim, state, topic } = subscription
    claim.drop()
    if (this.subscriptions.get(topic) !== subscription) return
    this.subscriptions.delete(topic)
    if (this.takeBack(subscription)) this.options.changed()
    subscription.end(undefined)
    // Where the server has refused it, or never heard of it, there is nothing to unsubscribe from.
    if (!subscription.mayBeKnown || (state._tag === "Over" && state.failure?._tag !== "PositionLost")) return
    if (state._tag === "Over" && subscription.isFailureTaken) this.linger(topic)
    else this.unsubscribe(topic)
  }

  /** Whether the server has yet to hear what is asked of it; it never will. */
  private takeBack({ state }: TopicSubscription): boolean {
    return state._tag === "Asked" && this.queue.withdraw(state.id)
  }

  /** The server's wish stays, and is asked for from another position. */
  private restart(subscription: TopicSubscription): void {
    const { state, topic } = subscription
    this.subscriptions.delete(topic)
    const isUnsaid = this.takeBack(subscription)
    subscription.end(undefined)
    if (isUnsaid) return
    const isThere = state._tag === "Asked" || state._tag === "Active" || state._tag === "Over"
    if (isThere) this.pause(topic)
  }

  /** Whoever was told that its position is lost most often goes on from another: the session is a member all the while. */
  private linger(topic: string): void {
    this.pause(topic)
    this.options.later(() => {
      if (!this.isOver && !this.subscriptions.has(topic)) this.unsubscribe(topic)
    })
  }

  publish(topic: string, key: string, body: unknown, bodySize: number): Effect.Effect<Protocol.Position, Fate> {
    return Effect.suspend(() => {
      const flaw = Topic.flaw(topic)
      if (flaw !== undefined) return Effect.fail(new TopicRefused({ topic, code: "malformed-topic", reason: flaw }))
      if (key.length < 1 || key.length > longestKey) {
        const reason = `a key has 1 to ${longestKey} characters`
        return Effect.fail(new TopicRefused({ topic, code: "malformed-key", reason }))
      }
      return this.publisher.publish({ id: this.nextId++, topic, key, body }, bodySize)
    })
  }

  /** Whoever waited for the welcome before it subscribed has done so by now. */
  private unwanted(topic: string): void {
    if (!this.isOver && this.leaving.get(topic) === unasked) this.unsubscribe(topic)
  }

  private add(topic: string, since: Protocol.Position | "oldest" | undefined): TopicSubscription {
    const subscription: TopicSubscription = new TopicSubscription(topic, since, this.options.bounds, {
      pause: () => this.pause(topic),
      ask: () => this.ask(subscription)
    })
    if (this.isOver) {
      subscription.end(undefined)
      return subscription
    }
    this.subscriptions.set(topic, subscription)
    // An earlier client's, which goes on.
    if (this.leaving.get(topic) === unasked) subscription.mayBeKnown = this.leaving.delete(topic)
    this.options.changed()
    this.ask(subscription)
    return subscription
  }

  private ask(subscription: TopicSubscription): void {
    if (this.live === undefined || subscription.state._tag === "Over") return
    const { since, topic } = subscription
    const id = this.nextId++
    subscription.state = { _tag: "Asked", id }
    this.say({ type: "subscribe", id, topic, ...(since === undefined ? {} : { since }) }, () => {
      subscription.mayBeKnown = true
    })
  }

  private pause(topic: string): void {
    this.say({ type: "unsubscribe", id: this.nextId++, topic, pause: true })
  }

  /** Has a paused one be a member where the session is now, and bring nothing. */
  private remain(topic: string): void {
    this.say({ type: "subscribe", id: this.nextId++, topic })
    this.pause(topic)
  }

  private unsubscribe(topic: string): void {
    const id = this.nextId++
    this.invitations.delete(topic)
    this.leaving.set(topic, id)
    this.options.changed()
    this.say({ type: "unsubscribe", id, topic })
  }

  private say(message: Protocol.Subscribe | Protocol.Unsubscribe, written = () => {}): void {
    this.queue.add({ id: message.id, frame: this.options.codec.encode(message), isWanted: () => true, written })
  }

  // ---- the connection

  /** A connection is there: everything is asked for again. */
  attached(live: LiveConnection, resumed: boolean, keyWindow: number): void {
    this.live = live
    this.queue.attached(live, this.options.limits())
    // A new session is subscribed to nothing.
    if (!resumed) {
      this.leaving.clear()
      this.invitations.clear()
    }
    for (const topic of [...this.leaving.keys()]) {
      const again = this.subscriptions.get(topic)
      // What was taken up again meanwhile goes on.
      if (again !== undefined) again.mayBeKnown = this.leaving.delete(topic)
      else if (this.leaving.get(topic) === unasked) this.options.later(() => this.unwanted(topic))
      else this.unsubscribe(topic)
    }
    for (const subscription of this.subscriptions.values()) {
      if (subscription.state._tag === "Paused") this.remain(subscription.topic)
      else this.ask(subscription)
    }
    this.publisher.attached(keyWindow)
  }

  detached(): void {
    this.live = undefined
    this.queue.detached()
    for (const subscription of this.subscriptions.values()) {
      const { _tag } = subscription.state
      if (_tag === "Active" || _tag === "Asked") subscription.state = { _tag: "Idle" }
    }
  }

  drained(): void {
    this.queue.write()
  }

  receive(message: TopicMessage, size: number, live: LiveConnection): void {
    switch (message.type) {
      case "publication":
        return this.check(this.subscriptions.get(message.topic)?.publication(message, size), live)
      case "subscribed":
        return this.subscribed(message, live)
      case "unsubscribed":
        return this.unsubscribed(message)
      case "published":
        if (this.queue.answered(message.id)) this.publisher.published(message)
        return this.queue.write()
      case "invite":
        return this.invited(message, live)
    }
  }

  private check(violation: string | undefined, live: LiveConnection): void {
    if (violation !== undefined) live.violate(CloseCode.ProtocolViolation, violation)
  }

  private subscribed(message: Protocol.Subscribed, live: LiveConnection): void {
    const { id, topic } = message
    const subscription = this.subscriptions.get(topic)
    const isUnwanted = subscription === undefined || subscription.state._tag === "Over"
    // It was ended by the server while the request was on its way: nobody would ever end what has begun now.
    const isAnswer = id !== undefined && this.queue.answered(id)
    if (isAnswer && isUnwanted && !this.leaving.has(topic)) this.unsubscribe(topic)
    this.check(subscription?.subscribed(message), live)
    this.queue.write()
  }

  private unsubscribed({ id, reason, topic }: Protocol.Unsubscribed): void {
    if (id === undefined) {
      const failure = new TopicRefused({
        topic,
        code: "unsubscribed",
        reason: reason ?? "the server ended the subscription"
      })
      return this.fail(this.subscriptions.get(topic), failure)
    }
    if (this.leaving.get(topic) === id) {
      this.leaving.delete(topic)
      this.options.changed()
    }
    this.queue.answered(id)
    this.queue.write()
  }

  private fail(subscription: TopicSubscription | undefined, failure: TopicRefused): void {
    if (subscription === undefined) return
    subscription.end(failure)
    this.invitations.delete(subscription.topic)
    if (subscription.claim.isTaken) return
    this.subscriptions.delete(subscription.topic)
    this.options.refused(failure)
  }

  private invited({ since, topic }: Protocol.Invite, live: LiveConnection): void {
    // Said before the server heard that this end leaves.
    if (this.leaving.has(topic)) return
    if (this.subscriptions.has(topic)) {
      this.invitations.add(topic)
      return this.options.changed()
    }
    const flaw = flawOf(topic)
    if (flaw !== undefined) return live.violate(CloseCode.ProtocolViolation, `invite: ${flaw}`)
    const { maxInvitations } = this.options
    const unread = [...this.subscriptions.values()].filter(({ claim }) => !claim.isTaken)
    if (unread.length >= maxInvitations) {
      return live.violate(CloseCode.ProtocolViolation, `invite: more than ${maxInvitations} topics that nobody reads`)
    }
    this.invitations.add(topic)
    this.add(topic, since).mayBeKnown = true
    this.options.invited(topic)
  }

  /** The server refused a request about a topic. */
  refused(id: number, refusal: Protocol.Refusal): void {
    this.refusedOne(id, refusal, this.queue.answered(id))
    this.queue.write()
  }

  private refusedOne(id: number, { code, reason, retryAfter }: Protocol.Refusal, wasUnanswered: boolean): void {
    for (const [topic, request] of this.leaving) {
      if (request !== id) continue
      // Not subscribed is what was asked for.
      this.leaving.delete(topic)
      return
    }
    for (const subscription of this.subscriptions.values()) {
      const { state, topic } = subscription
      if (state._tag === "Asked" && state.id === id)
        return this.fail(subscription, new TopicRefused({ topic, code, reason, retryAfter }))
    }
    if (wasUnanswered) this.publisher.refused(id, (topic) => new TopicRefused({ topic, code, reason, retryAfter }))
  }

  /** The client has ended. */
  end(reason: string): void {
    this.isOver = true
    this.live = undefined
    this.queue.detached()
    for (const subscription of this.subscriptions.values()) subscription.end(undefined)
    this.publisher.end(reason)
  }
}
