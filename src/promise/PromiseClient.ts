/**
 * A client for programs without Effect: promises, async iterables, and a status as user interfaces take it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Client from "../client/Client.js"
import type { ClientEvent, ClientStats, EndReason, Ready, Status } from "../client/ClientStatus.js"
import type { Dialer } from "../connection/Dialer.js"
import type * as Options from "../connection/Options.js"
import * as Reconnect from "../connection/Reconnect.js"
import type { Codec } from "../protocol/Codec.js"
import type { MessageInvalid } from "../protocol/ConnectionError.js"
import type { InvalidDecision, Messages } from "../protocol/Messages.js"
import * as AnyMessages from "../protocol/Messages.js"
import type { Position } from "../protocol/Protocol.js"
import type { PresenceEvent } from "../topic/Presence.js"
import type { Ref } from "../topic/Topic.js"
import { pulled } from "./internal/pulled.js"

/**
 * A value, or a function that is called for each attempt and may take its time.
 *
 * @since 0.1.0
 * @category models
 */
export type Asked<A> = A | (() => A | PromiseLike<A>)

/**
 * The options of a client: those of `Client.make`, with functions in place of effects.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions<ClientMessage, ServerMessage>
  extends Options.OfClient,
    Pick<Client.ClientOptions<ClientMessage, ServerMessage>, "verdict"> {
  /** The platform: `NodeDialer.layer`, `BrowserClient.layer()`, or another. */
  readonly layer: Layer.Layer<Dialer, unknown>
  readonly url: Asked<string>
  /** Default: any JSON value. */
  readonly messages?: Messages<ClientMessage, ServerMessage> | undefined
  readonly token?: Asked<string> | undefined
  readonly headers?: Asked<Readonly<Record<string, string>>> | undefined
  /** Default `Codec.json`. */
  readonly codec?: Codec | undefined
  /** The options of `Reconnect.exponential`. */
  readonly reconnect?: Parameters<typeof Reconnect.exponential>[0]
  /** Decides about a message of the server that does not decode. Default `"Continue"`: skip it, with a `MessageInvalid` event. */
  readonly onInvalid?: ((error: MessageInvalid) => InvalidDecision | PromiseLike<InvalidDecision>) | undefined
}

/**
 * A value that changes, as React's `useSyncExternalStore` and its like take it. Its functions need no `this`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store<A> {
  readonly getSnapshot: () => A
  /** Calls `listener` after each change, until what it gives is called. */
  readonly subscribe: (listener: () => void) => () => void
}

interface Abortable {
  /** Aborts the wait: the promise rejects with its reason. What that means is said of the interruption of the same operation of `Client`. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The client of one session. What `Client` says of each operation is true here; a promise rejects with the error that the effect
 * fails with: a class of `ConnectionError`, by its `_tag` or `instanceof`.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseClient<ClientMessage, ServerMessage> {
  readonly status: Store<Status>
  readonly ready: (options?: Abortable) => Promise<Ready>
  /** Resolves at the end of the client, with the reason. */
  readonly ended: Promise<EndReason>
  /**
   * The messages of the server, once and in order, through all reconnects. One is processed, and acknowledged, when the next one
   * is asked for, or the loop is left. For one loop at a time.
   */
  readonly messages: AsyncIterable<ServerMessage>
  /**
   * Runs a handler over `messages`, one after the other, until the client has ended. One is processed when what the handler gives
   * has resolved; where it throws or rejects, so does this, and the message comes again to who reads next.
   */
  readonly forEach: (handle: (message: ServerMessage) => void | PromiseLike<void>, options?: Abortable) => Promise<void>
  /** Lost sessions, refused messages and the like, from when it is first asked for one. */
  readonly events: AsyncIterable<ClientEvent>
  readonly send: (message: ClientMessage, options?: Abortable) => Promise<void>
  readonly deliver: (message: ClientMessage, options?: Abortable) => Promise<void>
  readonly subscribe: <A, D>(
    topic: Ref<A, D>,
    options?: Client.SubscribeOptions<NoInfer<D>>
  ) => AsyncIterable<Client.Publication<A> | Client.TooLarge>
  readonly publish: <A, D>(
    topic: Ref<A, D>,
    value: NoInfer<A>,
    options?: Abortable & { readonly key?: string | undefined }
  ) => Promise<Position>
  readonly presence: <A, D>(topic: Ref<A, D>) => AsyncIterable<PresenceEvent<D>>
  readonly updatePresence: <A, D>(topic: Ref<A, D>, data: NoInfer<D>, options?: Abortable) => Promise<void>
  readonly invitations: () => ReadonlyArray<string>
  readonly stats: () => ClientStats
  /** Begins an attempt now. */
  readonly reconnect: () => void
  /** Says bye when it has sent what was accepted, as `Client.close` does, and lets go of the platform. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

const isFunction = <A>(asked: Asked<A>): asked is () => A | PromiseLike<A> => typeof asked === "function"

const effectOf = <A>(asked: Asked<A>): A | Effect.Effect<A, unknown> =>
  isFunction(asked) ? Effect.tryPromise({ try: async () => asked(), catch: (cause) => cause }) : asked

const given = <A, B>(value: A | undefined, make: (value: A) => B): B | undefined =>
  value === undefined ? undefined : make(value)

/** Rejects with the error itself, or with the defect. */
const settled = <A, E>(exit: Exit.Exit<A, E>, signal: AbortSignal | undefined): A => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.isInterruptedOnly(exit.cause) && signal?.aborted === true) throw signal.reason
  throw Cause.squash(exit.cause)
}

/** The latest of a stream of values. */
const storeOf = <A>(first: A): Store<A> & { readonly set: (value: A) => void } => {
  let current = first
  const listeners = new Set<() => void>()
  return {
    getSnapshot: () => current,
    subscribe: (listener) => {
      const own = () => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    set: (value) => {
      current = value
      for (const listener of listeners) listener()
    }
  }
}

/**
 * Starts a client, which connects at once, and goes on until it is closed or the server's answer is final. Rejects for an option
 * that breaks its rule, and for a layer that cannot be built; never for want of a connection.
 *
 * ```ts
 * const client = await connect({ layer: NodeDialer.layer, url: "ws://localhost:8080", token: () => fetchToken() })
 * await client.deliver({ hello: "world" })
 * for await (const message of client.messages) console.log(message)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = async <ClientMessage = unknown, ServerMessage = unknown>(
  options: ConnectOptions<ClientMessage, ServerMessage>
): Promise<PromiseClient<ClientMessage, ServerMessage>> => {
  const { headers, layer, messages, onInvalid, reconnect, token, url, ...rest } = options
  const platform = ManagedRuntime.make(layer)
  const runtime = settled(await Effect.runPromiseExit(platform.runtimeEffect), undefined)
  // Of the runtime and not the platform: who asks a client that is closed is told so.
  const runExit = <A, E>(effect: Effect.Effect<A, E, Dialer>, signal?: AbortSignal): Promise<Exit.Exit<A, E>> =>
    Runtime.runPromiseExit(runtime, effect, signal === undefined ? undefined : { signal })
  const run = async <A, E>(effect: Effect.Effect<A, E, Dialer>, signal?: AbortSignal): Promise<A> =>
    settled(await runExit(effect, signal), signal)
  const scope = Effect.runSync(Scope.make())
  const made = Client.make<ClientMessage, ServerMessage>({
    ...rest,
    // Any JSON value is of the type that nobody has named.
    messages: messages ?? (AnyMessages.json as Messages<ClientMessage, ServerMessage>),
    url: effectOf(url),
    token: given(token, effectOf),
    headers: given(headers, effectOf),
    reconnect: Reconnect.exponential(reconnect),
    onInvalid: given(onInvalid, (decide) => (error: MessageInvalid) => Effect.promise(async () => decide(error)))
  })
  const client = await run(Scope.extend(made, scope)).catch(async (error) => {
    await platform.dispose()
    throw error
  })
  const status = storeOf(await run(client.status))
  Runtime.runFork(runtime)(
    Stream.runForEach(client.changes, (now) => Effect.sync(() => status.set(now))),
    { scope }
  )
  const ended = run(client.ended)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= run(Effect.zipRight(client.close, Scope.close(scope, Exit.void))).then(() => platform.dispose())
    return closing
  }
  return {
    status: { getSnapshot: status.getSnapshot, subscribe: status.subscribe },
    ready: (options) => run(client.ready, options?.signal),
    ended,
    messages: pulled(client.messages, runExit),
    forEach: (handle, options) =>
      run(
        client.runForEach((message) =>
          Effect.tryPromise({ try: async () => handle(message), catch: (cause) => cause })
        ),
        options?.signal
      ),
    events: pulled(client.events, runExit),
    send: (message, options) => run(client.send(message), options?.signal),
    deliver: (message, options) => run(client.deliver(message), options?.signal),
    subscribe: (topic, options) => pulled(client.subscribe(topic, options), runExit),
    publish: (topic, value, { key, signal } = {}) => run(client.publish(topic, value, { key }), signal),
    presence: (topic) => pulled(client.presence(topic), runExit),
    updatePresence: (topic, data, options) => run(client.updatePresence(topic, data), options?.signal),
    invitations: () => Effect.runSync(client.invitations),
    stats: () => Effect.runSync(client.stats),
    reconnect: () => Effect.runSync(client.reconnect),
    close,
    [Symbol.asyncDispose]: close
  }
}
