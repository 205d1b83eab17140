import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Schema, Stream, TestClock } from "effect"
import { Client, Codec, Gateway, Messages, Reconnect, type Session } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, echoGateway, isRunning, makeClient, settle, statusTags, World } from "../support/virtual.js"

/** A client with so many echoes waiting. */
const withEchoes = (count: number) =>
  Effect.gen(function* () {
    const { gateway } = yield* echoGateway()
    const client = yield* makeClient()
    for (let i = 1; i <= count; i++) yield* client.send(i)
    yield* settle
    const [session] = yield* gateway.sessions
    if (session === undefined) return yield* Effect.dieMessage("no session")
    const unacknowledged = Effect.map(session.info, (info) => info.unacknowledged.messages)
    return { client, unacknowledged }
  })

describe("Client.messages", () => {
  it.scoped("acknowledges a message when the next one is pulled", () =>
    Effect.gen(function* () {
      const { client, unacknowledged } = yield* withEchoes(3)
      const seen: Array<unknown> = []
      yield* Effect.fork(
        Stream.runForEach(client.messages, (message) => {
          seen.push(message)
          return seen.length === 2 ? Effect.never : Effect.void
        })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [1, 2])
      assert.strictEqual(yield* unacknowledged, 2, "the second is still in hand")
    }).pipe(Effect.provide(World))
  )

  it.scoped("what a consumer took to its end is processed; the rest waits for the next consumer", () =>
    Effect.gen(function* () {
      const { client, unacknowledged } = yield* withEchoes(5)
      const first = yield* Stream.runCollect(Stream.take(client.messages, 2))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* unacknowledged, 3)
      const rest = yield* Stream.runCollect(Stream.take(client.messages, 3))
      assert.deepStrictEqual([...first, ...rest], [1, 2, 3, 4, 5])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* unacknowledged, 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("what has come and was not pulled is acknowledged by no reconnect", () =>
    Effect.gen(function* () {
      const { client, unacknowledged } = yield* withEchoes(3)
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.cut()
      yield* settle
      yield* client.reconnect
      yield* settle
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      assert.strictEqual(yield* unacknowledged, 3)
    }).pipe(Effect.provide(World))
  )

  it.scoped("what a consumer had in hand when it failed goes to the next one", () =>
    Effect.gen(function* () {
      const { client } = yield* withEchoes(3)
      const failed = yield* Effect.exit(
        Stream.runForEach(client.messages, (message) => (message === 2 ? Effect.fail("no") : Effect.void))
      )
      assert.isTrue(Exit.isFailure(failed))
      const next = yield* Stream.runCollect(Stream.take(client.messages, 2))
      assert.deepStrictEqual(Chunk.toReadonlyArray(next), [2, 3])
    }).pipe(Effect.provide(World))
  )

  it.scoped("what a consumer had in hand when it was interrupted goes to the next one", () =>
    Effect.gen(function* () {
      const { client } = yield* withEchoes(2)
      const consumer = yield* Effect.fork(Stream.runForEach(client.messages, () => Effect.never))
      yield* settle
      yield* Fiber.interrupt(consumer)
      const next = yield* Stream.runCollect(Stream.take(client.messages, 2))
      assert.deepStrictEqual(Chunk.toReadonlyArray(next), [1, 2])
    }).pipe(Effect.provide(World))
  )

  it.scoped("completes when the client has ended, after what had arrived", () =>
    Effect.gen(function* () {
      const { client } = yield* withEchoes(2)
      yield* client.close
      const all = yield* Stream.runCollect(client.messages)
      assert.deepStrictEqual(Chunk.toReadonlyArray(all), [1, 2])
    }).pipe(Effect.provide(World))
  )
})

describe("Client.runForEach", () => {
  it.scoped("acknowledges a message when the handler has succeeded with it", () =>
    Effect.gen(function* () {
      const { client, unacknowledged } = yield* withEchoes(3)
      const seen: Array<unknown> = []
      yield* Effect.fork(
        client.runForEach((message) => {
          seen.push(message)
          return seen.length === 2 ? Effect.never : Effect.void
        })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [1, 2])
      assert.strictEqual(yield* unacknowledged, 2, "the second is still in hand")
    }).pipe(Effect.provide(World))
  )

  it.scoped("what the handler failed with, or was interrupted with, goes to the next consumer", () =>
    Effect.gen(function* () {
      const { client } = yield* withEchoes(4)
      const failed = yield* Effect.exit(
        client.runForEach((message) => (message === 2 ? Effect.fail("no") : Effect.void))
      )
      assert.deepStrictEqual(failed, Exit.fail("no"))
      const seen: Array<unknown> = []
      const consumer = yield* Effect.fork(
        client.runForEach((message) => {
          seen.push(message)
          return message === 3 ? Effect.never : Effect.void
        })
      )
      yield* settle
      yield* Fiber.interrupt(consumer)
      const next = yield* Stream.runCollect(Stream.take(client.messages, 2))
      assert.deepStrictEqual([...seen, ...next], [2, 3, 3, 4])
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends when the client has, after what had arrived", () =>
    Effect.gen(function* () {
      const { client } = yield* withEchoes(2)
      yield* client.close
      const seen: Array<unknown> = []
      yield* client.runForEach((message) => Effect.sync(() => void seen.push(message)))
      assert.deepStrictEqual(seen, [1, 2])
    }).pipe(Effect.provide(World))
  )
})

describe("Client.changes", () => {
  it.scoped("shows the life of a client from the current status to Ended", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* echoGateway()
      const client = yield* makeClient({ reconnect: Reconnect.exponential({ jitter: false }) })
      const early = yield* collect(client.changes)
      yield* settle
      const late = yield* collect(client.changes)
      yield* network.cut()
      yield* TestClock.adjust(1000)
      yield* client.close
      yield* settle
      const life = ["Connecting", "Ready", "Waiting", "Connecting", "Ready", "Ended"]
      assert.deepStrictEqual(statusTags(yield* early), life)
      assert.deepStrictEqual(statusTags(yield* late), life.slice(1))
    }).pipe(Effect.provide(World))
  )
})

const messages = Messages.make({
  client: Schema.Struct({ n: Schema.NumberFromString }),
  server: Schema.Struct({ square: Schema.NumberFromString.pipe(Schema.positive()) })
})

describe("Messages", () => {
  const squares = Effect.map(Effect.void, () => ({
    messages,
    authenticate: Gateway.anonymous,
    onMessage: ({ n }: { n: number }, session: Session.Session<{ square: number }>) => session.send({ square: n * n })
  }))

  it.scoped("are decoded and encoded by their Schema at both ends", () =>
    Effect.gen(function* () {
      yield* Gateway.make(yield* squares)
      const client = yield* Client.make({ url: "memory:", messages })
      yield* client.send({ n: 7 })
      const answer = yield* Stream.runHead(client.messages)
      assert.deepStrictEqual(answer._tag === "Some" ? answer.value : undefined, { square: 49 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("that do not fit are refused where they are sent, with a typed error", () =>
    Effect.gen(function* () {
      yield* Gateway.make(yield* squares)
      const client = yield* Client.make({ url: "memory:", messages: Messages.json })
      assert.strictEqual((yield* Effect.flip(client.send(undefined)))._tag, "MessageInvalid")
      assert.strictEqual((yield* Effect.flip(client.send(1n)))._tag, "MessageInvalid")
      const tooLarge = yield* Effect.flip(client.send("x".repeat(1024 * 1024)))
      assert.deepInclude(tooLarge, { _tag: "MessageTooLarge", limit: 1024 * 1024, size: 1024 * 1024 + 2 })
    }).pipe(Effect.provide(World))
  )

  for (const codec of ["json", "msgpack"] as const) {
    it.scoped(`of exactly maxMessage go both ways, and one byte more goes nowhere (${codec})`, () =>
      Effect.gen(function* () {
        const { handled } = yield* echoGateway({ maxMessage: 1000 })
        const client = yield* makeClient({ codec: Codec[codec], maxMessage: 1000 })
        const echoes = yield* collect(client.messages)
        yield* client.ready
        // Two quotes in JSON, three bytes of length in MessagePack.
        const largest = "x".repeat(codec === "json" ? 998 : 997)
        yield* client.deliver(largest)
        const refused = yield* Effect.flip(client.send(`${largest}x`))
        assert.deepInclude(refused, { _tag: "MessageTooLarge", size: 1001, limit: 1000 })
        yield* settle
        assert.deepStrictEqual([handled, yield* echoes], [[largest], [largest]])
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("of another version are refused where they arrive, and the session goes on", () =>
    Effect.gen(function* () {
      yield* Gateway.make(yield* squares)
      const client = yield* Client.make({
        url: "memory:",
        messages: { client: Schema.Unknown, server: messages.server }
      })
      const events = yield* collect(client.events)
      const answers = yield* collect(client.messages)
      yield* settle
      yield* client.send({ m: 1 })
      yield* client.send({ n: "3" })
      yield* settle
      assert.deepStrictEqual(yield* answers, [{ square: 9 }])
      const [refused] = yield* events
      assert.deepInclude(refused, { _tag: "Refused", code: "invalid-message", seq: 1 })
      assert.include(refused?._tag === "Refused" ? refused.reason : "", "n")
    }).pipe(Effect.provide(World))
  )

  for (const decision of ["Continue", "End"] as const) {
    it.scoped(`of the server that do not decode are an event; ${decision} is obeyed`, () =>
      Effect.gen(function* () {
        yield* Gateway.make({
          messages: Messages.json,
          authenticate: Gateway.anonymous,
          onMessage: (_, session) => Effect.zipRight(session.send({ square: "-1" }), session.send({ square: "4" }))
        })
        const client = yield* Client.make({
          url: "memory:",
          messages: { client: Schema.Unknown, server: messages.server },
          onInvalid: () => Effect.succeed(decision)
        })
        const events = yield* collect(client.events)
        const answers = yield* collect(client.messages)
        yield* client.send(2)
        yield* settle
        assert.deepStrictEqual(yield* answers, decision === "Continue" ? [{ square: 4 }] : [])
        assert.deepStrictEqual(
          (yield* events).map((event) => event._tag),
          ["MessageInvalid"]
        )
        assert.strictEqual((yield* client.status)._tag, decision === "Continue" ? "Ready" : "Ended")
      }).pipe(Effect.provide(World))
    )
  }
})

describe("Client.deliver", () => {
  it.scoped("fails with NotSent for what never left, when the client is closed", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.reach({ _tag: "Refused" })
      const client = yield* makeClient()
      const delivery = yield* Effect.fork(Effect.flip(client.deliver("x")))
      yield* settle
      yield* client.close
      assert.strictEqual((yield* Fiber.join(delivery))._tag, "NotSent")
      assert.strictEqual((yield* Effect.flip(client.send("y")))._tag, "SessionClosed")
    }).pipe(Effect.provide(World))
  )

  it.scoped("fails with OutcomeUnknown for what left and was not answered, when the client is closed", () =>
    Effect.gen(function* () {
      yield* Gateway.make({
        drainTimeout: 0,
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.never
      })
      const client = yield* makeClient({ closeTimeout: "1 second" })
      const delivery = yield* Effect.fork(Effect.flip(client.deliver("x")))
      yield* settle
      yield* Effect.fork(client.close)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(delivery))._tag, "OutcomeUnknown")
    }).pipe(Effect.provide(World))
  )

  it.scoped("fails with OutcomeUnknown when the connection breaks after the client's bye, which is done then", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* Gateway.make({
        drainTimeout: 0,
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.never
      })
      const client = yield* makeClient({ closeTimeout: "1 hour" })
      const delivery = yield* Effect.fork(Effect.flip(client.deliver("x")))
      yield* settle
      const closing = yield* Effect.fork(client.close)
      yield* settle
      assert.isTrue(yield* isRunning(closing), "the server has not acknowledged the message yet")
      yield* network.cut()
      yield* settle
      assert.strictEqual((yield* Fiber.join(delivery))._tag, "OutcomeUnknown")
      assert.deepStrictEqual(yield* client.ended, { _tag: "Closed" })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* network.dials, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("fails with MessageRefused for what the server's Schema refuses", () =>
    Effect.gen(function* () {
      yield* Gateway.make({ messages, authenticate: Gateway.anonymous, onMessage: () => Effect.void })
      const client = yield* makeClient()
      yield* client.deliver({ n: "1" })
      const refused = yield* Effect.flip(client.deliver({ m: 1 }))
      assert.deepInclude(refused, { _tag: "MessageRefused", code: "invalid-message" })
      yield* client.deliver({ n: "2" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("fails with MessageRefused even when the connection broke before the client was told", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* Gateway.make({ messages, authenticate: Gateway.anonymous, onMessage: () => Effect.void })
      const client = yield* makeClient({ reconnect: Reconnect.exponential({ jitter: false }) })
      yield* client.deliver({ n: "1" })
      const link = yield* network.latest
      link.silence("server")
      const refused = yield* Effect.fork(Effect.flip(client.deliver({ m: 1 })))
      const accepted = yield* Effect.fork(client.deliver({ n: "2" }))
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* Fiber.join(refused))._tag, "MessageRefused")
      yield* Fiber.join(accepted)
      assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
    }).pipe(Effect.provide(World))
  )

  it.scoped("can be bounded by the caller, and a message that has left still arrives", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { handled } = yield* echoGateway()
      const client = yield* makeClient()
      yield* client.ready
      yield* settle
      const link = yield* network.latest
      link.silence("client")
      const delivery = yield* Effect.fork(Effect.timeoutOption(client.deliver("x"), "500 millis"))
      yield* TestClock.adjust(500)
      assert.isFalse(yield* isRunning(delivery))
      assert.strictEqual((yield* Fiber.join(delivery))._tag, "None")
      assert.deepStrictEqual(handled, [])
      yield* network.cut()
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(handled, ["x"])
    }).pipe(Effect.provide(World))
  )

  it.scoped("does not wait for the acknowledgement timer", () =>
    Effect.gen(function* () {
      yield* Gateway.make({
        ackDelay: "1 hour",
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: () => Effect.void
      })
      const client = yield* makeClient()
      yield* client.deliver("x")
    }).pipe(Effect.provide(World))
  )
})
