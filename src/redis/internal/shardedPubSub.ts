/**
 * Channels of sharded pub/sub, over one connection to each node of Redis that
 * has some of them. A connection that is lost, or a slot that moves, is a gap:
 * who listens is told when the channel is heard again, and must look for what
 * was said meanwhile.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Redis } from "ioredis"
import { type Backoff, backoff, type Policy } from "../../connection/Reconnect.js"
import { DialFailed } from "../../protocol/ConnectionError.js"
import type { RedisClient } from "./redisClient.js"

/** Called synchronously; must not throw. */
export interface ChannelListener {
  readonly message: (text: string) => void
  /** It is heard from now on, for the first time or again. */
  readonly heard: () => void
}

interface Channel {
  readonly listeners: Set<ChannelListener>
  isHeard: boolean
  /** Completed when it is heard the next time. */
  next: Deferred.Deferred<void>
}

/** One connection to a node, from its opening to its end. */
interface NodeConnection {
  readonly redis: Redis
  readonly channels: Set<string>
  isOpen: boolean
}

/** After a slot has moved, before its channels are looked for elsewhere. */
const moveDelay = 100

export class ShardedPubSub {
  private readonly channels = new Map<string, Channel>()
  private readonly connections = new Map<string, NodeConnection>()
  private readonly backoffs = new Map<string, Backoff>()

  constructor(
    private readonly client: RedisClient,
    private readonly terms: {
      readonly policy: Policy
      /** Milliseconds between two questions whether a connection lives. */
      readonly heartbeatInterval: number
    },
    private readonly fork: (effect: Effect.Effect<void>) => unknown
  ) {}

  /** Listens until the scope closes; has succeeded when the channel is heard. */
  listen(name: string, listener: ChannelListener): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(
      Effect.acquireRelease(
        Effect.sync(() => this.enter(name, listener)),
        () => Effect.sync(() => this.leave(name, listener))
      ),
      (channel) => (channel.isHeard ? Effect.void : Deferred.await(channel.next))
    )
  }

  private enter(name: string, listener: ChannelListener): Channel {
    const known = this.channels.get(name)
    if (known !== undefined) {
      known.listeners.add(listener)
      return known
    }
    const channel = { listeners: new Set([listener]), isHeard: false, next: Deferred.unsafeMake<void>(FiberId.none) }
    this.channels.set(name, channel)
    this.place(name)
    return channel
  }

  private leave(name: string, listener: ChannelListener): void {
    const channel = this.channels.get(name)
    channel?.listeners.delete(listener)
    if (channel === undefined || channel.listeners.size > 0) return
    this.channels.delete(name)
    for (const connection of this.connections.values()) {
      // Whether it is heard of or not: nobody listens any more.
      if (connection.channels.delete(name) && connection.isOpen) connection.redis.sunsubscribe(name).catch(() => {})
    }
  }

  /** Has a channel asked for on the node that it is on. */
  private place(name: string): void {
    if (!this.channels.has(name)) return
    const node = this.client.nodeOf(name)
    if (node === undefined) return this.again([name], "?", "it is not known yet where the channel is")
    const connection = this.connections.get(node) ?? this.connect(node)
    connection.channels.add(name)
    if (connection.isOpen) this.ask(connection, name)
  }

  /** Looks for these channels once more, in a while. */
  private again(names: ReadonlyArray<string>, node: string, cause: unknown): void {
    const retry = this.backoffs.get(node)
    const delay = Effect.flatMap(retry === undefined ? this.backoffOf(node) : Effect.succeed(retry), ({ next }) =>
      next(new DialFailed({ url: node, cause }))
    )
    this.fork(
      Effect.flatMap(delay, (millis) =>
        // A policy that gives up would leave the gateway deaf.
        this.after(
          Option.getOrElse(millis, () => 30_000),
          names
        )
      )
    )
  }

  private backoffOf(node: string): Effect.Effect<Backoff> {
    // The connection was made with the same policy, and would have been refused.
    return Effect.tap(Effect.orDie(backoff(this.terms.policy)), (made) =>
      Effect.sync(() => this.backoffs.set(node, made))
    )
  }

  private after(millis: number, names: ReadonlyArray<string>): Effect.Effect<void> {
    return Effect.sleep(millis).pipe(
      Effect.zipRight(Effect.promise(() => this.client.relocate())),
      Effect.zipRight(
        Effect.sync(() => {
          for (const name of names) this.place(name)
        })
      )
    )
  }

  // ---- a connection

  private connect(node: string): NodeConnection {
    const connection: NodeConnection = { redis: this.client.listening(node), channels: new Set(), isOpen: false }
    this.connections.set(node, connection)
    const ended = Deferred.unsafeMake<never, unknown>(FiberId.none)
    for (const event of ["error", "end"]) {
      connection.redis.on(event, (cause: unknown) => Deferred.unsafeDone(ended, Effect.fail(cause)))
    }
    connection.redis.on("smessage", (name: string, text: string) => this.heard(connection, name, text))
    const lived = Effect.tryPromise({ try: () => connection.redis.connect(), catch: (error) => error }).pipe(
      Effect.tap(() => Effect.sync(() => this.opened(connection))),
      Effect.zipRight(this.pinged(connection))
    )
    const over = Effect.raceFirst(lived, Deferred.await(ended)).pipe(
      Effect.catchAll((cause) => Effect.sync(() => this.closed(node, connection, cause))),
      Effect.onInterrupt(() => Effect.sync(() => connection.redis.disconnect()))
    )
    this.fork(over)
    return connection
  }

  private opened(connection: NodeConnection): void {
    connection.isOpen = true
    for (const name of connection.channels) this.ask(connection, name)
  }

  /** Fails when the connection does not answer any more. */
  private pinged({ redis }: NodeConnection): Effect.Effect<never, unknown> {
    const ping = Effect.tryPromise({ try: () => redis.ping(), catch: (error) => error })
    return Effect.forever(Effect.zipRight(Effect.sleep(this.terms.heartbeatInterval), ping))
  }

  private closed(node: string, connection: NodeConnection, cause: unknown): void {
    connection.isOpen = false
    connection.redis.disconnect()
    if (this.connections.get(node) === connection) this.connections.delete(node)
    for (const name of connection.channels) this.silent(name)
    this.again([...connection.channels], node, cause)
  }

  private silent(name: string): void {
    const channel = this.channels.get(name)
    if (channel?.isHeard !== true) return
    channel.isHeard = false
    channel.next = Deferred.unsafeMake<void>(FiberId.none)
  }

  // ---- a channel

  private ask(connection: NodeConnection, name: string): void {
    // Not one that was left meanwhile and asked for anew: there was a gap in between.
    const channel = this.channels.get(name)
    const isWanted = () => connection.isOpen && connection.channels.has(name) && this.channels.get(name) === channel
    connection.redis.ssubscribe(name).then(
      () => isWanted() && this.begin(name, connection),
      () => {
        // What the connection's end does not see to: the channel's slot is on another node now.
        if (!isWanted()) return
        connection.channels.delete(name)
        this.fork(this.after(moveDelay, [name]))
      }
    )
  }

  private begin(name: string, connection: NodeConnection): void {
    const channel = this.channels.get(name)
    if (channel === undefined || channel.isHeard) return
    channel.isHeard = true
    for (const [node, open] of this.connections) if (open === connection) this.backoffs.delete(node)
    for (const listener of channel.listeners) listener.heard()
    Deferred.unsafeDone(channel.next, Effect.void)
  }

  private heard(connection: NodeConnection, name: string, text: string): void {
    if (!connection.channels.has(name)) return
    for (const listener of this.channels.get(name)?.listeners ?? []) listener.message(text)
  }
}
