/** A client's subscriptions: what it asks its server for, again on each connection, and who gets the answers. */
import type * as Effect from "effect/Effect"
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
import { PublishQueue } from "./publishQueue.js"
import { type Chunks, RequestQueue } from "./requestQueue.js"
import { Standings } from "./standings.js"
import { Subscription } from "./subscription.js"

/** A message of a server's about topics. */
export type TopicMessage = Extract<
  Protocol.ServerMessage,
  { type: "subscribed" | "unsubscribed" | "publication" | "published" | "invite" }
>

export interface SubscriptionsOptions {
  readonly codec: Codec
  readonly bounds: Bounds
  /** Topics that a server may have this client subscribed to without anybody reading them. */
  readonly maxInvitations: number
  readonly limits: () => Protocol.Limits
  readonly pacing: Pacer
  readonly chunks: Chunks
  /** Calls back after a short while, if the client lives still. */
  readonly later: (run: () => void) => void
  readonly now: () => number
  /** Milliseconds for which a consumer waits for the end of one that was interrupted. */
  readonly patience: number
  /** The topics that the session is subscribed to already. */
  readonly subscribedBefore: ReadonlyArray<string>
  /** `names` has changed. */
  readonly changed: () => void
  /** The server has subscribed this client to a topic. */
  readonly invited: (topic: string) => void
  /** The server refused what nobody waits for. */
  readonly refused: (refusal: TopicRefused) => void
}

const flawOf = (topic: string): string | undefined => Topic.flaw(Topic.presenceBase(topic) ?? topic)
const isPosition = Schema.is(Protocol.Position)

export class Subscriptions {
  readonly publications: PublishQueue
  private readonly all = new Map<string, Subscription>()
  private readonly standings: Standings
  private readonly queue: RequestQueue
  private isOver = false

  constructor(readonly options: SubscriptionsOptions) {
    const { chunks, codec, limits, now, pacing, subscribedBefore } = options
    this.standings = new Standings(subscribedBefore)
    this.queue = new RequestQueue(pacing, chunks)
    this.publications = new PublishQueue(codec, limits, this.queue, now)
  }

  /** The topics that the session may be subscribed to by this end's wish. */
  get names(): ReadonlyArray<string> {
    return this.standings.wished(this.all.keys())
  }

  /** The topics that the server has invited this client to. */
  get invitations(): ReadonlyArray<string> {
    return this.standings.invited
  }

  // ---- for the application

  /** True when the topic's consumer, who was interrupted just now, has let go of it; `undefined` where there is none to wait for. */
  whenLeft(topic: string): Effect.Effect<boolean> | undefined {
    const claim = this.all.get(topic)?.claim
    return claim?.isTaken === true ? claim.isLeft(this.options.patience) : undefined
  }

  /** The subscription for a new consumer; refused while another has it. */
  claim(
    topic: string,
    since: Protocol.Position | "oldest" | undefined,
    data: unknown,
    consumer: Fiber.RuntimeFiber<unknown, unknown>
  ): Subscription | TopicRefused {
    const flaw = flawOf(topic)
    if (flaw !== undefined) return new TopicRefused({ topic, code: "malformed-topic", reason: flaw })
    if (typeof since === "object" && !isPosition(since)) {
      const reason = "a position has an epoch of 1 to 128 characters, and an offset that is an integer from 0 on"
      return new TopicRefused({ topic, code: "malformed-position", reason })
    }
    const known = this.all.get(topic)
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
    const subscription = this.add(topic, since, data, known !== undefined)
    subscription.claim.take(consumer)
    return subscription
  }

  /** The subscription that a consumer has. */
  claimed(topic: string): Subscription | undefined {
    const subscription = this.all.get(topic)
    return subscription?.claim.isTaken === true ? subscription : undefined
  }

  /** The consumer has gone. */
  release(subscription: Subscription): void {
    const { claim, isKnown, phase, topic } = subscription
    claim.drop()
    if (this.all.get(topic) !== subscription) return
    this.all.delete(topic)
    if (this.takeBack(subscription)) this.options.changed()
    subscription.end(undefined)
    // Where the server has refused it, or never heard of it, there is nothing to unsubscribe from.
    if (!isKnown || (phase._tag === "Over" && phase.failure?._tag !== "PositionLost")) return
    if (phase._tag === "Over" && phase.isTold) this.linger(topic)
    else this.unsubscribe(topic)
  }

  /** True when the server has yet to hear what is asked of it; it never will. */
  private takeBack({ phase }: Subscription): boolean {
    return phase._tag === "Asked" && this.queue.withdraw(phase.id)
  }

  /** The server's wish stays, and is asked for from another position. */
  private restart(subscription: Subscription): void {
    const { phase, topic } = subscription
    this.all.delete(topic)
    const isUnsaid = this.takeBack(subscription)
    subscription.end(undefined)
    if (isUnsaid) return
    const isThere = phase._tag === "Asked" || phase._tag === "Active" || phase._tag === "Over"
    if (isThere) this.pause(topic)
  }

  /** Whoever was told that its position is lost most often goes on from another: the session is a member all the while. */
  private linger(topic: string): void {
    this.pause(topic)
    this.options.later(() => {
      if (!this.isOver && !this.all.has(topic)) this.unsubscribe(topic)
    })
  }

  /** Whoever waited for the welcome before it subscribed has done so by now. */
  private unwanted(topic: string): void {
    if (!this.isOver && this.standings.isInherited(topic)) this.unsubscribe(topic)
  }

  private add(
    topic: string,
    since: Protocol.Position | "oldest" | undefined,
    data: unknown,
    isKnown: boolean
  ): Subscription {
    // An earlier client's goes on.
    const isInherited = !this.isOver && this.standings.takeUp(topic)
    const subscription: Subscription = new Subscription(
      topic,
      since,
      data,
      isKnown || isInherited,
      this.options.bounds,
      {
        pause: () => this.pause(topic),
        ask: () => this.ask(subscription)
      }
    )
    if (this.isOver) {
      subscription.end(undefined)
      return subscription
    }
    this.all.set(topic, subscription)
    this.options.changed()
    this.ask(subscription)
    return subscription
  }

  private ask(subscription: Subscription): void {
    if (!this.queue.isAttached || subscription.phase._tag === "Over") return
    const id = this.queue.nextId()
    subscription.asked(id)
    this.say(subscription.request(id, subscription.since), () => subscription.known())
  }

  private pause(topic: string): void {
    this.say({ type: "unsubscribe", id: this.queue.nextId(), topic, pause: true })
  }

  /** Has a paused one be a member where the session is now, and bring nothing. */
  private remain(subscription: Subscription): void {
    this.say(subscription.request(this.queue.nextId(), undefined))
    this.pause(subscription.topic)
  }

  private unsubscribe(topic: string): void {
    const id = this.queue.nextId()
    this.standings.leave(topic, id)
    this.options.changed()
    this.say({ type: "unsubscribe", id, topic })
  }

  private say(message: Protocol.Subscribe | Protocol.Unsubscribe, written = () => {}): void {
    this.queue.add({ id: message.id, frame: this.options.codec.encode(message), isWanted: () => true, written })
  }

  // ---- the connection

  /** A connection is there: everything is asked for again. */
  attached(live: LiveConnection, resumed: boolean, keyWindow: number): void {
    this.queue.attached(live, this.options.limits())
    if (!resumed) this.standings.clear()
    for (const topic of this.standings.toLeave) {
      const again = this.all.get(topic)
      if (again !== undefined) {
        // It was taken up again meanwhile, and goes on.
        this.standings.left(topic)
        again.known()
      } else if (this.standings.isInherited(topic)) this.options.later(() => this.unwanted(topic))
      else this.unsubscribe(topic)
    }
    for (const subscription of this.all.values()) {
      if (subscription.phase._tag === "Paused") this.remain(subscription)
      else this.ask(subscription)
    }
    this.publications.attached(keyWindow)
  }

  detached(): void {
    this.queue.detached()
    for (const subscription of this.all.values()) subscription.detached()
  }

  drained(): void {
    this.queue.write()
  }

  receive(message: TopicMessage, size: number, live: LiveConnection): void {
    switch (message.type) {
      case "publication":
        return this.check(this.all.get(message.topic)?.publication(message, size), live)
      case "subscribed":
        return this.subscribed(message, live)
      case "unsubscribed":
        return this.unsubscribed(message)
      case "published":
        if (this.queue.answered(message.id)) this.publications.published(message)
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
    const subscription = this.all.get(topic)
    const isUnwanted = subscription === undefined || subscription.phase._tag === "Over"
    // It was ended by the server while the request was on its way: nobody would ever end what has begun now.
    const isAnswer = id !== undefined && this.queue.answered(id)
    if (isAnswer && isUnwanted && !this.standings.isToLeave(topic)) this.unsubscribe(topic)
    this.check(subscription?.subscribed(message), live)
    this.queue.write()
  }

  private unsubscribed({ id, reason, topic }: Protocol.Unsubscribed): void {
    if (id === undefined) {
      const why = reason ?? "the server ended the subscription"
      return this.fail(this.all.get(topic), new TopicRefused({ topic, code: "unsubscribed", reason: why }))
    }
    if (this.standings.isLeaving(topic, id)) {
      this.standings.left(topic)
      this.options.changed()
    }
    this.queue.answered(id)
    this.queue.write()
  }

  private fail(subscription: Subscription | undefined, failure: TopicRefused): void {
    if (subscription === undefined) return
    subscription.end(failure)
    this.standings.disinvite(subscription.topic)
    if (subscription.claim.isTaken) return
    this.all.delete(subscription.topic)
    this.options.refused(failure)
  }

  private invited({ since, topic }: Protocol.Invite, live: LiveConnection): void {
    // Said before the server heard that this end leaves.
    if (this.standings.isToLeave(topic)) return
    if (this.all.has(topic)) {
      this.standings.invite(topic)
      return this.options.changed()
    }
    const flaw = flawOf(topic)
    if (flaw !== undefined) return live.violate(CloseCode.ProtocolViolation, `invite: ${flaw}`)
    const { maxInvitations } = this.options
    const unread = [...this.all.values()].filter(({ claim }) => !claim.isTaken)
    if (unread.length >= maxInvitations) {
      return live.violate(CloseCode.ProtocolViolation, `invite: more than ${maxInvitations} topics that nobody reads`)
    }
    this.standings.invite(topic)
    this.add(topic, since, undefined, true)
    this.options.invited(topic)
  }

  /** The server refused a request about a topic. */
  refused(id: number, refusal: Protocol.Refusal): void {
    this.refusedOne(id, refusal, this.queue.answered(id))
    this.queue.write()
  }

  private refusedOne(id: number, { code, reason, retryAfter }: Protocol.Refusal, wasUnanswered: boolean): void {
    const left = this.standings.leaving(id)
    // Not subscribed is what was asked for.
    if (left !== undefined) return this.standings.left(left)
    for (const subscription of this.all.values()) {
      const { phase, topic } = subscription
      if (phase._tag === "Asked" && phase.id === id)
        return this.fail(subscription, new TopicRefused({ topic, code, reason, retryAfter }))
    }
    if (wasUnanswered) this.publications.refused(id, (topic) => new TopicRefused({ topic, code, reason, retryAfter }))
  }

  /** The client has ended. */
  end(reason: string): void {
    this.isOver = true
    this.queue.detached()
    for (const subscription of this.all.values()) subscription.end(undefined)
    this.publications.end(reason)
  }
}
