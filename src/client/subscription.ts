/**
 * A client's subscription: its position in the topic's log, and the phase that
 * it is in with the server.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Claim } from "../connection/claim.js"
import { PositionLost, type TopicRefused } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { Bounds } from "../topic/bounds.js"
import * as Topic from "../topic/Topic.js"
import { type Item, PublicationBuffer } from "./publicationBuffer.js"

export type Failure = TopicRefused | PositionLost

/**
 * - `Idle`: nothing was asked on this connection, or there is none.
 * - `Asked`: the answer to this request is awaited; what comes before it is stale.
 * - `Active`: publications come.
 * - `Paused`: the consumer has too much to take; publications are asked for again when it has taken some.
 * - `Over`: it has failed, or the client has ended; `isTold` when its consumer knows.
 *
 * `isKnown`: the server may have the session subscribed; it has heard of it, or wished it itself.
 */
export type SubscriptionPhase =
  | { readonly _tag: "Idle"; readonly isKnown: boolean }
  | { readonly _tag: "Asked"; readonly id: number; readonly isKnown: boolean }
  | { readonly _tag: "Active" }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Over"; readonly failure: Failure | undefined; readonly isTold: boolean }

/** The server broke the protocol, in words. */
export type Violation = string | undefined

const isSame = (a: Protocol.Position, b: Protocol.Position): boolean => a.epoch === b.epoch && a.offset === b.offset

export class Subscription {
  /** The consumer's; the server may have wished it before there was one. */
  readonly claim = new Claim()
  private current: SubscriptionPhase
  private policy: Protocol.Policy = "disconnect"
  /** Where it began; undefined until the server has subscribed it once. */
  private beginning: Protocol.Position | undefined
  /** Made when somebody waits for that. */
  private whenLive: Effect.Latch | undefined
  private readonly buffer: PublicationBuffer

  constructor(
    readonly topic: string,
    /** After what has come last; at first where to begin. */
    private position: Protocol.Position | "oldest" | undefined,
    /** What this client says of itself as a member, a JSON value. */
    public data: unknown,
    isKnown: boolean,
    bounds: Bounds,
    /** Asks the server to stop for a while, and to go on. */
    private readonly flow: { readonly pause: () => void; readonly ask: () => void }
  ) {
    this.current = { _tag: "Idle", isKnown }
    this.buffer = new PublicationBuffer(bounds)
  }

  get phase(): SubscriptionPhase {
    return this.current
  }

  get isKnown(): boolean {
    return this.current._tag === "Idle" || this.current._tag === "Asked" ? this.current.isKnown : true
  }

  get since(): Protocol.Position | "oldest" | undefined {
    return this.position
  }

  /** To subscribe from there, as the member that this client says it is. */
  request(id: number, since: Protocol.Subscribe["since"]): Protocol.Subscribe {
    const { data, topic } = this
    const from = since === undefined ? {} : { since }
    return { type: "subscribe", id, topic, ...from, ...(data === undefined ? {} : { data }) }
  }

  private get followsPresence(): boolean {
    return Topic.presenceBase(this.topic) !== undefined
  }

  // ---- transitions

  /** This request is on its way. */
  asked(id: number): void {
    this.current = { _tag: "Asked", id, isKnown: this.isKnown }
  }

  /** The server may know of it from now on. */
  known(): void {
    if (this.current._tag === "Idle" || this.current._tag === "Asked") this.current = { ...this.current, isKnown: true }
  }

  /** The connection is gone. */
  detached(): void {
    if (this.current._tag === "Active" || this.current._tag === "Asked")
      this.current = { _tag: "Idle", isKnown: this.isKnown }
  }

  private activate(position: Protocol.Position): void {
    this.position = position
    this.current = { _tag: "Active" }
    this.beginning ??= position
    this.whenLive?.unsafeOpen()
  }

  private pause(): void {
    this.current = { _tag: "Paused" }
    this.flow.pause()
  }

  /** Asks for what comes after its position: now, or when there is a connection again. */
  private askAgain(): void {
    this.current = { _tag: "Idle", isKnown: true }
    this.flow.ask()
  }

  /** Asks who is there: what has changed since is not known. */
  private askAnew(): void {
    this.flow.pause()
    this.position = undefined
    this.askAgain()
  }

  /** Over, after what has come was taken. */
  end(failure: Failure | undefined): void {
    if (this.current._tag === "Over") return
    this.current = { _tag: "Over", failure, isTold: false }
    this.buffer.wake()
    this.whenLive?.unsafeOpen()
  }

  // ---- what the server says

  subscribed(message: Protocol.Subscribed): Violation {
    const { id, members, policy, position, recovered, reason } = message
    const isAnswer = id !== undefined && this.current._tag === "Asked" && this.current.id === id
    // Without an id the server starts it over; of a request that is not waited for any more it is stale.
    if (!isAnswer && (id !== undefined || this.current._tag !== "Active")) return undefined
    const { position: last } = this
    if (recovered && members === undefined && typeof last === "object" && !isSame(position, last)) {
      const { epoch, offset } = position
      return `subscribed to ${this.topic}: recovered, but ${offset} of the epoch ${epoch} is not ${last.offset} of ${last.epoch}`
    }
    this.policy = policy
    if (!recovered && members === undefined && this.followsPresence) {
      this.askAnew()
      return undefined
    }
    if (!recovered && members === undefined && policy === "disconnect") {
      const since = typeof last === "object" ? last : undefined
      this.end(new PositionLost({ topic: this.topic, reason: reason ?? "expired", since, position }))
      return undefined
    }
    this.activate(position)
    if (members !== undefined) this.push({ _tag: "Members", members, size: members.length * 64 })
    return undefined
  }

  publication({ body, position, skipped: why }: Protocol.Publication, size: number): Violation {
    const { position: last } = this
    if (this.current._tag !== "Active" || typeof last !== "object") return undefined
    if (position.epoch !== last.epoch) {
      return `publication of ${this.topic}: of the epoch ${position.epoch}, and ${last.epoch} was subscribed to`
    }
    if (position.offset <= last.offset) return undefined
    const skipped = position.offset - last.offset - 1
    if (skipped > 0 && this.policy === "disconnect") {
      return `publication of ${this.topic}: ${position.offset} came, ${last.offset + 1} was expected`
    }
    if (why !== undefined && this.followsPresence) {
      this.askAnew()
      return undefined
    }
    this.position = position
    this.push(
      why === undefined
        ? { _tag: "Publication", position, body, skipped, size }
        : { _tag: "TooLarge", position, skipped, size }
    )
    return undefined
  }

  private push(item: Item): void {
    const isOver = this.buffer.push(item, this.policy)
    if (isOver && this.current._tag === "Active") this.pause()
    this.buffer.wake()
  }

  // ---- what the consumer takes

  /** Waits until the server has subscribed it, and gives the position after which publications come; fails as `take` does. */
  get live(): Effect.Effect<Protocol.Position, Option.Option<Failure>> {
    return Effect.suspend(() => {
      if (this.beginning !== undefined) return Effect.succeed(this.beginning)
      if (this.current._tag === "Over") return this.tell(this.current)
      this.whenLive ??= Effect.unsafeMakeLatch()
      return Effect.zipRight(this.whenLive.await, this.live)
    })
  }

  /** The consumer knows from now on. */
  private tell(
    over: Extract<SubscriptionPhase, { readonly _tag: "Over" }>
  ): Effect.Effect<never, Option.Option<Failure>> {
    this.current = { ...over, isTold: true }
    return Effect.fail(Option.fromNullable(over.failure))
  }

  /** Everything that waits, at least one; fails when there is and will be nothing more. */
  readonly take: Effect.Effect<ReadonlyArray<Item>, Option.Option<Failure>> = Effect.suspend(() => {
    const items = this.buffer.takeAll()
    if (items.length > 0) {
      if (this.current._tag === "Paused") this.askAgain()
      return Effect.succeed(items)
    }
    return this.current._tag === "Over" ? this.tell(this.current) : Effect.zipRight(this.buffer.arrival, this.take)
  })
}
