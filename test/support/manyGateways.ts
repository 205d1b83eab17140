/** Gateways on one store, each in a network of its own, and clients that go from one to another. */
import { Context, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import {
  Client,
  Credentials,
  Dialer,
  Gateway,
  Listener,
  Messages,
  Reconnect,
  type Session,
  SessionStore
} from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import type { TestClient } from "./virtual.js"

export type Store = SessionStore.SessionStore["Type"]
type GatewayOptions<R> = Gateway.GatewayOptions<unknown, unknown, Gateway.Principal, R>

/** Lets so many milliseconds pass, and all that happens then happen, by whichever clock: `VirtualTime` is the faster one. */
export const pass = (millis: number) =>
  Effect.flatMap(Effect.clock, (clock) => ("adjust" in clock ? TestClock.adjust(millis) : Effect.sleep(millis)))

/** Lets the time pass that it takes: handlers that never end, and a store that takes its time, are waited for. */
const patiently = (close: Effect.Effect<void>) =>
  Effect.flatMap(Effect.fork(close), (closing) => Effect.zipRight(pass(20_000), Fiber.join(closing)))

/** A gateway on this store. */
export const node = <R = never>(store: Store, options?: Partial<GatewayOptions<R>>) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(MemoryNetwork.layer())
    const scope = yield* Scope.make()
    const ends: Array<Session.SessionEnd> = []
    const handled: Array<unknown> = []
    const gateway = yield* Gateway.make({
      drainSpread: 0,
      messages: Messages.json,
      authenticate: ({ token = "ann" }) => Effect.succeed({ id: token }),
      onMessage: (message) => Effect.sync(() => void handled.push(message)),
      onClose: (_, end) => Effect.sync(() => void ends.push(end)),
      ...options
    }).pipe(
      Effect.provideService(SessionStore.SessionStore, store),
      Effect.provideService(Listener.Listener, Context.get(context, Listener.Listener)),
      Effect.provideService(Credentials.Credentials, credentials),
      Scope.extend(scope)
    )
    const close = patiently(Scope.close(scope, Exit.void))
    yield* Effect.addFinalizer(() => close)
    yield* pass(0)
    const network = Context.get(context, MemoryNetwork.MemoryNetwork)
    return { gateway, ends, handled, close, network, dialer: Context.get(context, Dialer.Dialer) }
  })

export type Node = Effect.Effect.Success<ReturnType<typeof node>>

/** No two gateways make the same id or secret. */
const credentials = MemoryNetwork.credentials()

/** A client of this gateway, which comes back a second after it has lost its connection. */
export const clientOf = (first: Node, options?: Partial<Client.ClientOptions<unknown, unknown>>) =>
  Effect.gen(function* () {
    let here = first
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => patiently(Scope.close(scope, Exit.void)))
    const client: TestClient = yield* Client.make({
      url: "memory:",
      messages: Messages.json,
      reconnect: Reconnect.exponential({ jitter: false }),
      ...options
    }).pipe(Effect.provideService(Dialer.Dialer, { dial: (request) => here.dialer.dial(request) }), Scope.extend(scope))
    yield* pass(0)
    const ready = yield* client.ready
    return {
      client,
      id: ready.session,
      /** Loses its connection, and is back on another gateway at once. */
      moveTo: (to: Node) =>
        Effect.gen(function* () {
          const from = here
          here = to
          yield* from.network.cut()
          yield* pass(0)
          yield* client.reconnect
          yield* pass(0)
        }),
      /** Finds nobody at its gateway any more, or somebody again. */
      reach: (to: Node) =>
        Effect.sync(() => {
          here = to
        })
    }
  })

/** A store that takes so many milliseconds there and back, with what it says by itself, too. */
export const distant = (store: Store, millis: number): Store => {
  const way = Effect.sleep(millis)
  const far = <A, E>(ask: Effect.Effect<A, E>) => Effect.zipRight(way, Effect.zipLeft(ask, way))
  return {
    create: (...args) => far(store.create(...args)),
    attach: (...args) => far(store.attach(...args)),
    confirm: (...args) => far(store.confirm(...args)),
    append: (...args) => far(store.append(...args)),
    acknowledge: (...args) => far(store.acknowledge(...args)),
    detach: (...args) => far(store.detach(...args)),
    remove: (...args) => far(store.remove(...args)),
    revoke: (...args) => far(store.revoke(...args)),
    expire: far(store.expire),
    size: far(store.size),
    watch: ({ lost, mail }) =>
      Effect.gen(function* () {
        const runtime = yield* Effect.runtime<never>()
        const scope = yield* Effect.scope
        const say = (tell: () => void) => {
          const told = Effect.zipRight(way, Effect.sync(tell))
          Effect.runSync(Effect.provide(Effect.forkIn(told, scope), runtime))
        }
        yield* store.watch({ lost: (...args) => say(() => lost(...args)), mail: (id) => say(() => mail(id)) })
      }),
    find: (...args) => far(store.find(...args)),
    post: (...args) => far(store.post(...args)),
    sessionsOf: (...args) => far(store.sessionsOf(...args)),
    collect: (...args) => far(store.collect(...args)),
    announce: (...args) => far(store.announce(...args)),
    withdraw: (...args) => far(store.withdraw(...args)),
    nodes: far(store.nodes),
    lease: store.lease,
    ready: far(store.ready)
  }
}

export const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Sends `name from` to `name to`, one after the other, ten in a millisecond at the most. */
export const sendAll = ({ gateway }: Node, id: string, name: string, from: number, to: number) =>
  Effect.forEach(
    numbers(from, to),
    (n) => Effect.zipRight(gateway.send(id, `${name} ${n}`), n % 10 === 0 ? Effect.sleep(1) : Effect.void),
    { discard: true }
  )

/** What came of this sender, as its numbers. */
export const of = (messages: ReadonlyArray<unknown>, name: string) =>
  messages.map((message) => String(message).split(" ")).flatMap(([from, n]) => (from === name ? [Number(n)] : []))
