/** A session's topics, made when there is something to do about them: most sessions of a gateway may have none. */
import * as Effect from "effect/Effect"
import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Resolved } from "../../connection/Options.js"
import {
  type BrokerUnavailable,
  type ConnectionEnd,
  SessionClosed,
  TopicRefused
} from "../../protocol/ConnectionError.js"
import { oneLine } from "../../protocol/oneLine.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { Request } from "../../protocol/requests.js"
import type { Invitation } from "../../session/SessionStore.js"
import type { SessionDriver } from "../../session/sessionDriver.js"
import type { Principal } from "../GatewaySession.js"
import * as topicOrder from "../session/topicOrder.js"
import type { PresenceTracker } from "./presenceTracker.js"
import { type Addressee, RequestIntake } from "./requestIntake.js"
import { SessionSubscriptions, type Subscribed } from "./sessionSubscriptions.js"
import type { TopicRegistry } from "./topicRegistry.js"

interface Services<P extends Principal, R> {
  readonly options: Resolved
  readonly topics: TopicRegistry<P, R> | undefined
  readonly now: () => number
}

interface Topical<P extends Principal, R> extends Subscribed<P, R> {
  readonly driver: SessionDriver
}

const noTopics = (topic: string): TopicRefused =>
  new TopicRefused({ topic, code: "unknown-topic", reason: "this gateway has no topics" })

export class LazyTopics<P extends Principal, R> {
  private made: SessionSubscriptions<P, R> | undefined
  private isOpen = false
  /** Refuses each request, where there are no topics. */
  private refused: RequestIntake<Addressee, R> | undefined

  constructor(
    private readonly services: Services<P, R>,
    private readonly session: Topical<P, R>
  ) {}

  private of(shared: TopicRegistry<P, R>): SessionSubscriptions<P, R> {
    if (this.made !== undefined) return this.made
    const topics = new SessionSubscriptions(shared, this.session, this.services.now)
    this.made = topics
    const { live } = this.session.driver
    if (live !== undefined) topics.attached(live)
    if (this.isOpen) topics.opened()
    return topics
  }

  // ---- the server's wishes

  subscribe(
    name: string,
    since: Protocol.Position | "oldest" | undefined
  ): Effect.Effect<void, SessionClosed | TopicRefused | BrokerUnavailable> {
    return Effect.suspend(() => {
      const { topics } = this.services
      if (topics === undefined) return Effect.fail(noTopics(name))
      return Effect.flatMap(topics.invitation(name, since), ({ known, since }) => {
        const { endReason } = this.session.driver
        const refused =
          endReason === undefined ? this.of(topics).invite(known, since) : new SessionClosed({ reason: endReason })
        return refused === undefined ? Effect.void : Effect.fail(refused)
      })
    })
  }

  unsubscribe(name: string, reason: string): Effect.Effect<void> {
    return Effect.suspend(() => this.made?.expel(name, reason) ?? Effect.void)
  }

  /** The server's wishes that it came with. */
  restore(invitations: ReadonlyArray<Invitation>): void {
    const { topics } = this.services
    if (topics !== undefined && invitations.length > 0) this.of(topics).restore(invitations)
  }

  /** What another gateway asked for. */
  obey(id: string, text: string): Effect.Effect<void> {
    const order = topicOrder.decode(text)
    if (order._tag === "None")
      return Effect.logWarning(`holdfast: session ${id}: an order that is not known here: ${oneLine(text)}`)
    const { topic } = order.value
    if (order.value._tag === "Unsubscribe") return this.unsubscribe(topic, order.value.reason)
    return Effect.catchAll(this.subscribe(topic, order.value.since), (error) =>
      Effect.logWarning(`holdfast: session ${id} is not invited to ${topic}: ${error.message}`)
    )
  }

  // ---- the client's

  receive(request: Request, live: LiveConnection, size: number): void {
    const { topics } = this.services
    if (topics !== undefined) return this.of(topics).receive(request, live, size)
    this.refused ??= this.refusing()
    this.refused.receive(request, live, size)
  }

  /** Each has its answer, in its turn. */
  private refusing(): RequestIntake<Addressee, R> {
    const { codec, driver } = this.session
    const requests = new RequestIntake<Addressee, R>({
      limits: this.services.options,
      now: this.services.now,
      fork: (effect) => this.session.fork(effect),
      addressee: () => (driver.live === undefined ? undefined : { live: driver.live }),
      answer: ({ id, topic }, { live }) =>
        Effect.sync(() => {
          const { code, reason } = noTopics(topic)
          live.write(codec.encode({ type: "error", code, reason, id }))
        })
    })
    requests.open()
    return requests
  }

  // ---- the session's life

  /** The session's handlers are ready. */
  opened(): void {
    this.isOpen = true
    this.made?.opened()
  }

  attached(live: LiveConnection): void {
    this.made?.attached(live)
  }

  detached(end: ConnectionEnd | undefined): void {
    this.refused?.clear()
    this.made?.detached(end)
  }

  drained(): void {
    this.made?.drained()
  }

  ended(): void {
    this.refused?.stop()
    this.made?.ended()
  }

  get settled(): Effect.Effect<void> {
    return this.made?.settled ?? this.refused?.settled ?? Effect.void
  }

  get presence(): PresenceTracker | undefined {
    return this.made?.presence
  }

  get names(): ReadonlyArray<string> {
    return this.made?.names ?? []
  }

  get queued(): { readonly messages: number; readonly bytes: number } {
    return this.made?.queued ?? { messages: 0, bytes: 0 }
  }
}
