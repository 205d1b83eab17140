/** What the TestClock tests share. */
import { Chunk, Effect, Fiber, Layer, Random, Ref, type Scope, Stream, TestClock } from "effect"
import { Client, type ClientStatus, Gateway, Messages, type Options, type Session, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"

/** Lets everything that can happen now happen, without time passing. */
export const settle = TestClock.adjust(0)

/** A `Random` that always says this, in [0, 1). */
export const withRandom = (value: number) => Effect.withRandom(Random.fixed([value]))

/** Collects a stream in the background, and shows what has come so far. */
export const collect = <A, E>(
  stream: Stream.Stream<A, E>
): Effect.Effect<Effect.Effect<ReadonlyArray<A>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen = yield* Ref.make(Chunk.empty<A>())
    yield* Effect.forkScoped(Stream.runForEach(stream, (a) => Ref.update(seen, Chunk.append(a))))
    yield* Effect.yieldNow()
    return Effect.map(Ref.get(seen), Chunk.toReadonlyArray)
  })

/** Whether a fiber is still running. */
export const isRunning = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.map(Fiber.poll(fiber), (exit) => exit._tag === "None")

/** A gateway whose sessions send back what they receive; `handled` shows what its handler was given. */
export const echoGateway = (options?: Options.All) =>
  Effect.gen(function* () {
    const handled: Array<unknown> = []
    const closed: Array<Session.SessionEnd> = []
    const gateway = yield* Gateway.make({
      ...options,
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        Effect.suspend(() => {
          handled.push(message)
          return session.send(message)
        }),
      onClose: (_, end) => Effect.sync(() => void closed.push(end))
    })
    return { gateway, handled, closed }
  })

export type TestClient = Client.Client<unknown, unknown>

export const makeClient = (options?: Partial<Client.ClientOptions<unknown, unknown>>) =>
  Client.make({ url: "memory:", messages: Messages.json, ...options })

/** A memory network and store, new for each test. */
export const World = Layer.merge(
  MemoryNetwork.layer(),
  Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())
)

export const statusTags = (statuses: ReadonlyArray<ClientStatus.Status>) => statuses.map((status) => status._tag)
