/** What one at a time has, let go of and taken in one tick: an unmount and a mount, a reload of a module. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FiberId, Scope, Stream, TestClock } from "effect"
import { SessionKeeper } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { storageTab } from "../support/keptSessions.js"
import { connect, fill, follow, lobby, makeGateway, subscriptions, TopicWorld } from "../support/topics.js"
import { echoGateway, makeClient, settle, type TestClient, World } from "../support/virtual.js"

const rounds = 20

/** Runs one after the other, each interrupted and not waited for before the next begins; gives the fibers. */
const remounted = <A, E, R>(component: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fibers: Array<Fiber.RuntimeFiber<A, E>> = []
    for (let round = 0; round < rounds; round++) {
      const last = fibers.at(-1)
      if (last !== undefined) yield* Fiber.interruptFork(last)
      fibers.push(yield* Effect.forkScoped(component))
      // Some have begun by then, some have not.
      for (let turn = 0; turn < round % 4; turn++) yield* Effect.yieldNow()
    }
    return fibers
  })

const refusals = <A>(fibers: ReadonlyArray<Fiber.RuntimeFiber<A, unknown>>) =>
  Effect.map(
    Effect.forEach(fibers, (fiber) => fiber.poll),
    (exits) =>
      exits.filter((exit) => exit._tag === "Some" && exit.value._tag === "Failure" && exit.value.cause._tag === "Fail")
  )

const consumers: Readonly<Record<string, (stream: Stream.Stream<unknown, unknown>) => Effect.Effect<void, unknown>>> = {
  "plainly read": Stream.runDrain,
  "merged with others": (stream) =>
    Stream.runDrain(Stream.merge(Stream.never, Stream.merge(Stream.buffer(stream, { capacity: 4 }), Stream.never)))
}

for (const [kind, streamOf] of Object.entries({
  subscribe: (client: TestClient): Stream.Stream<unknown, unknown> => client.subscribe(lobby),
  presence: (client: TestClient): Stream.Stream<unknown, unknown> => client.presence(lobby)
})) {
  describe(`A stream of ${kind}`, () => {
    for (const [how, consume] of Object.entries(consumers)) {
      it.scoped(`that takes the place of one interrupted just before it is never refused: ${how}`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway({ presence: true })
          const client = yield* connect()
          const fibers = yield* remounted(consume(streamOf(client)))
          yield* settle
          assert.deepStrictEqual(yield* refusals(fibers), [])
          assert.isNull(fibers.at(-1)?.unsafePoll())
          assert.lengthOf((yield* subscriptions(gateway))[0] ?? [], 1)
        }).pipe(Effect.provide(TopicWorld))
      )
    }

    it.scopedLive(
      "that takes the place of one interrupted just before it is never refused, under the real scheduler",
      () =>
        Effect.gen(function* () {
          yield* makeGateway({ presence: true })
          const client = yield* makeClient()
          yield* client.ready
          const fibers: Array<Fiber.RuntimeFiber<void, unknown>> = []
          for (let round = 0; round < rounds; round++) {
            fibers.at(-1)?.unsafeInterruptAsFork(FiberId.none)
            fibers.push(Effect.runFork(Stream.runDrain(streamOf(client))))
          }
          yield* Effect.sleep(50)
          assert.deepStrictEqual(yield* refusals(fibers), [])
          const last = fibers.at(-1)
          assert.isNull(last?.unsafePoll())
          if (last !== undefined) yield* Fiber.interrupt(last)
        }).pipe(Effect.provide(TopicWorld))
    )

    it.scoped("that one reads who is interrupted and takes its time is waited for, within the close timeout", () =>
      Effect.gen(function* () {
        yield* makeGateway({ presence: true })
        const client = yield* connect({ closeTimeout: "3 seconds" })
        const holding = (time: number) =>
          Stream.runForEach(streamOf(client), () => Effect.ensuring(Effect.never, Effect.sleep(time)))
        const first = yield* Effect.forkScoped(holding(2000))
        yield* settle
        yield* fill(1, 1)
        yield* settle
        yield* Fiber.interruptFork(first)
        const second = yield* follow(streamOf(client))
        assert.isUndefined(second.end())
        yield* TestClock.adjust(2000)
        assert.isUndefined(second.end())
        yield* second.stop
        yield* settle
        const third = yield* Effect.forkScoped(holding(5000))
        yield* settle
        yield* fill(2, 2)
        yield* settle
        yield* Fiber.interruptFork(third)
        const fourth = yield* follow(streamOf(client))
        yield* TestClock.adjust(2999)
        assert.isUndefined(fourth.end())
        yield* TestClock.adjust(1)
        assert.deepInclude(fourth.end(), { _tag: "TopicRefused", code: "already-subscribed" })
        yield* TestClock.adjust(5000)
      }).pipe(Effect.provide(TopicWorld))
    )

    it.scoped("beside another that goes on is refused, in no time", () =>
      Effect.gen(function* () {
        yield* makeGateway({ presence: true })
        const client = yield* connect()
        const first = yield* follow(streamOf(client))
        const second = yield* follow(streamOf(client))
        assert.deepInclude(second.end(), { _tag: "TopicRefused", code: "already-subscribed" })
        assert.isUndefined(first.end())
      }).pipe(Effect.provide(TopicWorld))
    )
  })
}

describe("What reads the messages of a client", () => {
  for (const [how, read] of Object.entries({
    messages: (client: TestClient, handle: (message: unknown) => Effect.Effect<void>) =>
      Stream.runForEach(client.messages, handle),
    runForEach: (client: TestClient, handle: (message: unknown) => Effect.Effect<void>) => client.runForEach(handle)
  })) {
    it.scoped(`goes on where the one before it was interrupted, once that has ended: ${how}`, () =>
      Effect.gen(function* () {
        const { gateway } = yield* echoGateway()
        const client = yield* makeClient()
        yield* settle
        const [session] = yield* gateway.sessions
        const send = (n: number) => session?.send(n) ?? Effect.void
        const seen: Array<string> = []
        const slow = (message: unknown) =>
          Effect.zipRight(
            Effect.sync(() => void seen.push(`first ${message}`)),
            Effect.ensuring(Effect.never, Effect.sleep("1 second"))
          )
        const first = yield* Effect.forkScoped(read(client, slow))
        yield* send(1)
        yield* send(2)
        yield* settle
        yield* Fiber.interruptFork(first)
        yield* Effect.forkScoped(read(client, (message) => Effect.sync(() => void seen.push(`second ${message}`))))
        yield* settle
        yield* send(3)
        yield* settle
        assert.deepStrictEqual(seen, ["first 1"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(seen, ["first 1", "second 1", "second 2", "second 3"])
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* client.stats, { received: 3, processed: 3 })
      }).pipe(Effect.provide(World))
    )
  }
})

describe("A client of a kept session that is made while the one before it ends", () => {
  const kept = (tab: ReturnType<typeof storageTab>) =>
    Effect.provideService(makeClient(), SessionKeeper.SessionKeeper, tab.keeper)

  it.scoped("goes on with its session, and there is no other", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway()
      const tab = storageTab()
      const fibers = yield* remounted(Effect.scoped(Effect.zipRight(kept(tab), Effect.never)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* refusals(fibers), [])
      assert.lengthOf(yield* gateway.sessions, 1)
      yield* remounted(Effect.scoped(Effect.zipRight(kept(tab), Effect.never)))
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* gateway.sessions, 2, "the first round's last one is there still")
    }).pipe(Effect.provide(World))
  )

  it.scoped("goes on with it although the server does not answer the close of the one before", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { gateway } = yield* echoGateway()
      const tab = storageTab()
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(kept(tab), scope)
      yield* settle
      const before = yield* first.ready
      const link = yield* network.latest
      link.silence("server")
      yield* Effect.fork(Scope.close(scope, Exit.void))
      const second = yield* kept(tab)
      yield* settle
      const after = yield* second.ready
      assert.strictEqual(after.session, before.session)
      assert.lengthOf(yield* gateway.sessions, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("beside another that goes on has a session of its own", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway()
      const tab = storageTab()
      yield* kept(tab)
      yield* kept(tab)
      yield* settle
      assert.lengthOf(yield* gateway.sessions, 2)
    }).pipe(Effect.provide(World))
  )
})
