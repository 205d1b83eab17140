/**
 * The feed of a topic on a gateway: one subscription to the broker for all the
 * sessions that follow it here, each publication framed once for all of them.
 *
 * What is heard in one go, such as the publications that one read of a socket
 * brought, is told in one go at the end of it: a follower is visited once for
 * all of them.
 */

import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Codec, envelopeBytes, type Frame } from "../../protocol/Codec.js"
import type { BrokerUnavailable } from "../../protocol/ConnectionError.js"
import type { Member, Position, RecoveryReason, Subprotocol } from "../../protocol/Protocol.js"
import * as publicationCodec from "../../protocol/publicationCodec.js"
import { type Chunked, chunked } from "../../session/large/chunkExchange.js"
import type { Broker, Listener, Publication } from "../../topic/Broker.js"
import type { Bounds } from "../../topic/bounds.js"
import type { TopicInfo } from "../GatewaySession.js"
import { MemberSnapshot } from "./memberSnapshot.js"

/** The form in which a subscriber is sent publications. */
export interface Form {
  readonly codec: Codec
  /** Bytes of the largest body that it takes. */
  readonly maxBody: number
  /** Bytes of the largest frame that it is sent whole. */
  readonly part: number
}

/** A publication as it leaves: in a frame, or in chunks of one. */
export type Delivery = Frame | Chunked

const delivered = ({ codec, part }: Form, topic: string, { epoch, offset }: Position, frame: Frame): Delivery =>
  chunked(`${epoch}/${offset}/${topic}`, frame, codec, part) ?? frame

/** A publication on its way to many: framed at its first use. */
export class Shared {
  private readonly frames: { [P in Subprotocol]?: Frame } = {}
  /** Those that tell that the body is too large, and the sizes by which that is seen. */
  private readonly marks: { [P in Subprotocol]?: Frame } = {}
  private readonly sizes: { [P in Subprotocol]?: number } = {}
  /** Made for the first that is large. */
  private deliveries: { [P in Subprotocol]?: Delivery } | undefined
  private readonly sizeBound: number

  constructor(
    readonly topic: string,
    readonly publication: Publication,
    /** Sizes of all that the feed has had, up to and with this one. */
    readonly total: number
  ) {
    this.sizeBound = publicationCodec.sizeBound(publication.payload)
  }

  get offset(): number {
    return this.publication.position.offset
  }

  get size(): number {
    return this.publication.payload.length
  }

  /** The publication, as it leaves to a subscriber that is sent it in this form. */
  delivery(form: Form): Delivery {
    const frame = this.frame(form)
    return this.sizeBound + envelopeBytes <= form.part ? frame : this.perhapsChunked(form, frame)
  }

  private perhapsChunked(form: Form, frame: Frame): Delivery {
    const { subprotocol } = form.codec
    const isMark = frame !== this.frames[subprotocol]
    if (isMark) return frame
    this.deliveries ??= {}
    const delivery = this.deliveries[subprotocol] ?? delivered(form, this.topic, this.publication.position, frame)
    this.deliveries[subprotocol] = delivery
    return delivery
  }

  /** The publication, or where its body is too large, a mark in its place. */
  private frame({ codec, maxBody }: Form): Frame {
    const { subprotocol } = codec
    if (this.sizeBound > maxBody && this.sizeIn(subprotocol) > maxBody) return this.mark(codec)
    const known = this.frames[subprotocol]
    if (known !== undefined) return known
    const frame = codec.publication(this.topic, this.publication.position, this.publication.payload)
    this.frames[subprotocol] = frame
    return frame
  }

  private sizeIn(subprotocol: Subprotocol): number {
    const size = this.sizes[subprotocol] ?? publicationCodec.sizeIn(subprotocol, this.publication.payload)
    this.sizes[subprotocol] = size
    return size
  }

  private mark(codec: Codec): Frame {
    const mark = this.marks[codec.subprotocol] ?? tooLarge(codec, this.topic, this.publication.position)
    this.marks[codec.subprotocol] = mark
    return mark
  }
}

const tooLarge = (codec: Codec, topic: string, position: Position): Frame =>
  codec.encode({ type: "publication", topic, position, skipped: "too-large" })

/** A publication that is read from the log for one subscriber, as it leaves. */
export const deliveryOf = (form: Form, topic: string, { payload, position }: Publication): Delivery => {
  const { codec, maxBody } = form
  return publicationCodec.sizeBound(payload) > maxBody && publicationCodec.sizeIn(codec.subprotocol, payload) > maxBody
    ? tooLarge(codec, topic, position)
    : delivered(form, topic, position, codec.publication(topic, position, payload))
}

/** Follows a topic. Called synchronously; must not throw. */
export interface Follower {
  /** In order, at least one; the array is not kept. */
  readonly published: (batch: ReadonlyArray<Shared>) => void
  readonly reset: (position: Position, reason: RecoveryReason) => void
}

/** More than this is not heard before it is told. */
const mostHeard: Bounds = { messages: 64, bytes: 64 * 1024 }

export class TopicFeed implements Listener {
  readonly followers = new Set<Follower>()
  /** The end of the log, as far as followers were told. */
  head: Position = { epoch: "", offset: 0 }
  /** Followers that have not been sent all of it. */
  lagging = 0
  /** How many have asked for this feed and not released it. */
  users = 0
  /** Publications that the lagging ones still need; empty while there are none. */
  private recent: Array<Shared> = []
  private recentBytes = 0
  /** Heard, and not told yet. */
  private heard: Array<Shared> = []
  private heardBytes = 0
  private total = 0
  private publications = 0
  private isTelling = false
  private isOpen = false
  /** Of a presence topic, at its end. */
  private snapshot: MemberSnapshot | undefined
  private readonly lock = Effect.unsafeMakeSemaphore(1)

  constructor(
    readonly topic: string,
    private readonly bounds: Bounds,
    private readonly scope: Scope.CloseableScope
  ) {}

  /** Follows the broker, from when this has succeeded. */
  open(broker: Context.Tag.Service<Broker>): Effect.Effect<void, BrokerUnavailable> {
    const subscribe = Effect.suspend(() => (this.isOpen ? Effect.void : this.subscribe(broker)))
    return this.isOpen ? Effect.void : this.lock.withPermits(1)(subscribe)
  }

  private subscribe(broker: Context.Tag.Service<Broker>): Effect.Effect<void, BrokerUnavailable> {
    return Effect.uninterruptibleMask((restore) =>
      // In a scope of its own, so that who is interrupted leaves no listener behind.
      Effect.flatMap(Scope.fork(this.scope, ExecutionStrategy.sequential), (scope) =>
        restore(Scope.extend(broker.subscribe(this.topic, this), scope)).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
          Effect.map((position) => this.opened(position))
        )
      )
    )
  }

  get info(): TopicInfo {
    const { publications, topic: name, users: subscribers } = this
    const head = this.heard.at(-1)?.publication.position ?? this.head
    return { name, subscribers, position: head.epoch === "" ? undefined : head, publications }
  }

  /** The members at a position of this presence topic: the same for all who ask at it. */
  membersAt(position: Position, members: ReadonlyArray<Member>): MemberSnapshot {
    if (this.snapshot?.isAt(position) !== true) this.snapshot = new MemberSnapshot(position, members)
    return this.snapshot
  }

  private opened(position: Position): void {
    this.isOpen = true
    // What was published meanwhile has been heard already.
    if (position.epoch !== this.head.epoch || position.offset > this.head.offset) this.head = position
  }

  get close(): Effect.Effect<void> {
    return Scope.close(this.scope, Exit.void)
  }

  published(publication: Publication): void {
    this.publications++
    this.total += publication.payload.length
    const shared = new Shared(this.topic, publication, this.total)
    this.heard.push(shared)
    this.heardBytes += shared.size
    const isMuch = this.heard.length >= mostHeard.messages || this.heardBytes >= mostHeard.bytes
    if (isMuch && !this.isTelling) this.tell()
    else if (this.heard.length === 1) void Promise.resolve().then(this.tell)
  }

  /** Tells followers what was heard: before one of them goes, for instance. */
  readonly tell = (): void => {
    const { heard } = this
    const last = heard.at(-1)
    if (last === undefined || this.isTelling) return
    this.heard = []
    this.head = last.publication.position
    if (this.snapshot?.isAt(this.head) === false) this.snapshot = undefined
    for (const shared of heard) this.recent.push(shared)
    this.recentBytes += this.heardBytes
    this.heardBytes = 0
    this.isTelling = true
    for (const follower of this.followers) follower.published(heard)
    this.isTelling = false
    if (this.lagging === 0) this.forget()
    else this.trim()
  }

  /** One that lagged does not any more. */
  caughtUp(): void {
    this.lagging--
    // Those that have not been told yet may need what is told just now.
    if (this.lagging === 0 && !this.isTelling) this.forget()
  }

  reset(position: Position, reason: RecoveryReason): void {
    this.tell()
    for (const follower of this.followers) follower.reset(position, reason)
    this.head = position
    this.forget()
  }

  /** No follower lags by more than the bounds, or by more than one message: nobody needs what is before that. */
  private trim(): void {
    const { bytes, messages } = this.bounds
    for (;;) {
      const oldest = this.recent[0]
      if (oldest === undefined || this.recent.length === 1) return
      if (this.recent.length <= messages && this.recentBytes - oldest.size <= bytes) return
      this.recentBytes -= oldest.size
      this.recent.shift()
    }
  }

  private forget(): void {
    this.recent.length = 0
    this.recentBytes = 0
  }

  /** A publication that a lagging follower still needs. */
  get(offset: number): Shared | undefined {
    const first = this.recent[0]
    return first === undefined ? undefined : this.recent[offset - first.offset]
  }
}

/** The feeds of a gateway. */
export class TopicFeeds {
  private readonly feeds = new Map<string, TopicFeed>()

  constructor(
    readonly broker: Context.Tag.Service<Broker>,
    private readonly bounds: Bounds,
    private readonly scope: Scope.Scope
  ) {}

  /** The open feed of a topic, to be released when it is followed no more. */
  acquire(topic: string): Effect.Effect<TopicFeed, BrokerUnavailable> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.use(topic), (feed) =>
        restore(feed.open(this.broker)).pipe(
          Effect.onError(() => this.release(feed)),
          Effect.as(feed)
        )
      )
    )
  }

  /** Counts the user in the step in which the feed is found: it cannot be closed in between. */
  private use(topic: string): Effect.Effect<TopicFeed> {
    return Effect.suspend(() => {
      const known = this.feeds.get(topic)
      if (known !== undefined) {
        known.users++
        return Effect.succeed(known)
      }
      return Effect.map(Scope.fork(this.scope, ExecutionStrategy.sequential), (scope) => {
        const feed = this.feeds.get(topic) ?? new TopicFeed(topic, this.bounds, scope)
        this.feeds.set(topic, feed)
        feed.users++
        return feed
      })
    })
  }

  readonly info: Effect.Effect<ReadonlyArray<TopicInfo>> = Effect.sync(() =>
    [...this.feeds.values()].map(({ info }) => info).sort((one, other) => (one.name < other.name ? -1 : 1))
  )

  release(feed: TopicFeed): Effect.Effect<void> {
    return Effect.suspend(() => {
      feed.users--
      if (feed.users > 0) return Effect.void
      if (this.feeds.get(feed.topic) === feed) this.feeds.delete(feed.topic)
      return feed.close
    })
  }
}
