/** What the tests of the network in memory share. */
import { Clock, Effect, Queue, Random, type Scope } from "effect"
import {
  Client,
  type ConnectionError,
  type Credentials,
  Dialer,
  Gateway,
  Listener,
  Messages,
  SessionStore,
  type Transport
} from "holdfast"
import { MemoryNetwork, VirtualTime } from "holdfast/testing"

/** What a transport hears, each with the virtual time at which it did. */
export interface Heard {
  readonly at: number
  readonly what: string
}

/** Runs a transport, and writes down what it hears; `onMessage` may pause it. */
export const listenTo = (
  transport: Transport.Transport,
  options?: { readonly clock?: Clock.Clock; readonly onMessage?: (frame: unknown) => void }
): Array<Heard> => {
  const heard: Array<Heard> = []
  const note = (what: string) => heard.push({ at: options?.clock?.unsafeCurrentTimeMillis() ?? 0, what })
  transport.run({
    message: (frame) => {
      note(String(frame))
      options?.onMessage?.(frame)
    },
    ping: () => note("ping"),
    pong: () => note("pong"),
    congested: () => {
      if (heard.at(-1)?.what !== "congested") note("congested")
    },
    drained: () => note("drained"),
    closed: ({ code }) => note(`closed ${code}`)
  })
  return heard
}

export const whats = (heard: ReadonlyArray<Heard>) => heard.map(({ what }) => what)

/** A transport to a machine, by the Dialer that is there. */
export const dial = (
  url = "memory:"
): Effect.Effect<
  Transport.Transport,
  ConnectionError.DialFailed | ConnectionError.DialRefused,
  Dialer.Dialer | Scope.Scope
> =>
  Effect.flatMap(Dialer.Dialer, (dialer) =>
    dialer.dial({ url, protocols: ["holdfast.v1.json"], maxFrame: 10_000_000, closeTimeout: 5000 })
  )

/** Virtual milliseconds. */
export const now = Clock.currentTimeMillis

/** A gateway's program, whose sessions answer what they are sent with its name; `handled` outlives the machine that it runs on. */
export const gateway = (name: string, handled: Array<unknown> = []) =>
  Effect.zipRight(
    Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        Effect.zipRight(
          Effect.sync(() => handled.push(message)),
          session.send(`${name}: ${String(message)}`)
        )
    }),
    Effect.never
  ).pipe(Effect.scoped)

/** The same, with a store of its own that is lost with it. */
export const gatewayAlone = (name: string, handled?: Array<unknown>) =>
  Effect.suspend(() =>
    Effect.provideServiceEffect(gateway(name, handled), SessionStore.SessionStore, SessionStore.makeMemory())
  )

export const client = (url = "memory:") => Client.make({ url, messages: Messages.json })

export const Network = MemoryNetwork.MemoryNetwork

/** Runs in virtual time, with a network that is new. */
export const virtually = <A, E>(
  effect: Effect.Effect<
    A,
    E,
    MemoryNetwork.MemoryNetwork | Dialer.Dialer | Listener.Listener | Credentials.Credentials | Scope.Scope
  >,
  options?: VirtualTime.Options
): Effect.Effect<A, E> =>
  effect.pipe(
    Effect.scoped,
    Effect.provide(MemoryNetwork.layer()),
    (all) => VirtualTime.run(all, options),
    Effect.withRandom(Random.make("the same each time"))
  )

/** The virtual time that an effect takes. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.gen(function* () {
    const before = yield* now
    const a = yield* effect
    return [a, (yield* now) - before]
  })

/** A program on a machine that accepts what is dialled and does nothing else; gives what it accepted, in order. */
export const hold = (machine: string) =>
  Effect.gen(function* () {
    const network = yield* Network
    const accepted = yield* Queue.unbounded<Transport.Transport>()
    const program = Effect.gen(function* () {
      const listener = yield* Listener.Listener
      const incoming = yield* Queue.unbounded<Listener.Incoming>()
      yield* listener.listen((one) => void Queue.unsafeOffer(incoming, one))
      yield* Effect.forever(
        Effect.gen(function* () {
          const one = yield* Queue.take(incoming)
          const options = { protocol: one.request.protocols[0] ?? "", maxFrame: 10_000_000, closeTimeout: 5000 }
          yield* Queue.offer(accepted, yield* one.accept(options))
        })
      )
    })
    const fiber = yield* network.run(machine, Effect.scoped(program))
    yield* Effect.sleep(0)
    return [Queue.take(accepted), fiber] as const
  })

/** Why a dial failed, in words. */
export const why = (failed: ConnectionError.DialFailed | ConnectionError.DialRefused): string =>
  failed._tag === "DialFailed" ? String(failed.cause) : `${failed.status}: ${failed.body}`
