/**
 * A client's subscription: its position in the topic's log, what has come and
 * was not taken yet, and what it has asked the server for.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Claim } from "../connection/claim.js"
import { PositionLost, type TopicRefused } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { Bounds } from "../topic/bounds.js"
import * as Topic from "../topic/Topic.js"

/** What a subscription's consumer gets, in order. */
export type Item =
  | {
      readonly _tag: "Publication"
      readonly position: Protocol.Position
      readonly body: unknown
      readonly skipped: number
      readonly size: number
    }
  /** It is larger than this end takes. */
  | {
      readonly _tag: "TooLarge"
      readonly position: Protocol.Position
      readonly skipped: number
      readonly size: number
    }
  | { readonly _tag: "Members"; readonly members: ReadonlyArray<Protocol.Member>; readonly size: number }

export type Failure = TopicRefused | PositionLost

/**
 * - `Idle`: nothing was asked on this connection, or there is none.
 * - `Asked`: the answer to this request is awaited; what comes before it is stale.
 * - `Active`: publications come.
 * - `Paused`: the consumer has too much to take; publications are asked for again when it has taken some.
 * - `Over`: it has failed, or the client has ended.
 */
export type State =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Asked"; readonly id: number }
  | { readonly _tag: "Active" }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Over"; readonly failure: Failure | undefined }

/** The server broke the protocol, in words. */
export type Violation = string | undefined

const isSame = (a: Protocol.Position, b: Protocol.Position): boolean => a.epoch === b.epoch && a.offset === b.offset

export class TopicSubscription {
  state: State = { _tag: "Idle" }
  /** The consumer's; the server may have wished it before there was one. */
  readonly claim = new Claim()
  /** Whether the server may have the session subscribed to it: it has heard of it, or wished it itself. */
  mayBeKnown = false
  /** Whether the consumer was told why it has failed. */
  isFailureTaken = false
  readonly counts = { received: 0, suppressed: 0, skipped: 0 }
  private policy: Protocol.Policy = "disconnect"
  private items: Array<Item> = []
  private bytes = 0
  private taker: (() => void) | undefined

  constructor(
    readonly topic: string,
    /** After what has come last; at first where to begin. */
    private position: Protocol.Position | "oldest" | undefined,
    private readonly bounds: Bounds,
    /** Asks the server to stop for a while, and to go on. */
    private readonly flow: { readonly pause: () => void; readonly ask: () => void }
  ) {}

  private get followsPresence(): boolean {
    return Topic.presenceBase(this.topic) !== undefined
  }

  get since(): Protocol.Position | "oldest" | undefined {
    return this.position
  }

  // ---- what the server says

  subscribed(message: Protocol.Subscribed): Violation {
    const { id, members, policy, position, recovered, reason } = message
    const isAnswer = id !== undefined && this.state._tag === "Asked" && this.state.id === id
    // Without an id the server starts it over; of a request that is not waited for any more it is stale.
    if (!isAnswer && (id !== undefined || this.state._tag !== "Active")) return undefined
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
    this.position = position
    this.state = { _tag: "Active" }
    if (members !== undefined) this.push({ _tag: "Members", members, size: members.length * 64 })
    return undefined
  }

  /** Asks who is there: what has changed since is not known. */
  private askAnew(): void {
    this.flow.pause()
    this.position = undefined
    this.state = { _tag: "Idle" }
    this.flow.ask()
  }

  publication({ body, position, skipped: why }: Protocol.Publication, size: number): Violation {
    const { position: last } = this
    if (this.state._tag !== "Active" || typeof last !== "object") return undefined
    if (position.epoch !== last.epoch) {
      return `publication of ${this.topic}: of the epoch ${position.epoch}, and ${last.epoch} was subscribed to`
    }
    if (position.offset <= last.offset) {
      this.counts.suppressed++
      return undefined
    }
    const skipped = position.offset - last.offset - 1
    if (skipped > 0 && this.policy === "disconnect") {
      return `publication of ${this.topic}: ${position.offset} came, ${last.offset + 1} was expected`
    }
    if (why !== undefined && this.followsPresence) {
      this.askAnew()
      return undefined
    }
    this.position = position
    this.counts.received++
    this.push(
      why === undefined
        ? { _tag: "Publication", position, body, skipped, size }
        : { _tag: "TooLarge", position, skipped, size }
    )
    return undefined
  }

  // ---- what waits for the consumer

  private push(item: Item): void {
    if (this.policy === "latest") this.dropAll(item)
    else this.add(item)
    if (this.isOver && this.policy === "dropOldest") this.dropOldest()
    else if (this.isOver && this.state._tag === "Active") {
      this.state = { _tag: "Paused" }
      this.flow.pause()
    }
    this.wake()
  }

  private add(item: Item): void {
    this.items.push(item)
    this.bytes += item.size
  }

  private get isOver(): boolean {
    const { bytes, messages } = this.bounds
    return this.items.length > messages || (this.bytes > bytes && this.items.length > 1)
  }

  private dropAll(item: Item): void {
    const dropped = this.items
    this.items = []
    this.bytes = 0
    this.add(dropped.reduce((next, gone) => this.without(gone, next), item))
  }

  private dropOldest(): void {
    while (this.isOver) {
      const [gone, next] = this.items
      if (gone === undefined || next === undefined) return
      this.items.splice(0, 2, this.without(gone, next))
      this.bytes -= gone.size
    }
  }

  /** The next item, which tells that the one before was skipped. */
  private without(gone: Item, next: Item): Item {
    if (gone._tag === "Members" || next._tag === "Members") return next
    this.counts.skipped++
    return { ...next, skipped: next.skipped + gone.skipped + 1 }
  }

  /** Everything that waits, at least one; fails when there is and will be nothing more. */
  readonly take: Effect.Effect<ReadonlyArray<Item>, Option.Option<Failure>> = Effect.suspend(() => {
    if (this.items.length > 0) {
      const items = this.items
      this.items = []
      this.bytes = 0
      if (this.state._tag === "Paused") {
        // Asked for now, or when there is a connection again.
        this.state = { _tag: "Idle" }
        this.flow.ask()
      }
      return Effect.succeed(items)
    }
    if (this.state._tag === "Over") {
      this.isFailureTaken = true
      return Effect.fail(Option.fromNullable(this.state.failure))
    }
    return Effect.zipRight(this.arrival, this.take)
  })

  private readonly arrival: Effect.Effect<void> = Effect.async((resume) => {
    this.taker = () => resume(Effect.void)
    return Effect.sync(() => {
      this.taker = undefined
    })
  })

  private wake(): void {
    const { taker } = this
    this.taker = undefined
    taker?.()
  }

  /** Over, after what has come was taken. */
  end(failure: Failure | undefined): void {
    if (this.state._tag === "Over") return
    this.state = { _tag: "Over", failure }
    this.wake()
  }
}
