import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Option, Runtime, Scope, Stream, Supervisor, TestClock } from "effect"
import { Connection, type Options } from "holdfast"
import { MemoryTransport } from "holdfast/testing"
import * as writeDeadline from "../../src/connection/writeDeadline.js"
import { collect, isRunning, settle, withRandom } from "../support/virtual.js"

/** A connection on the client's end, and the bare wire on the server's. */
const connect = (options?: Options.All, link = MemoryTransport.link()) =>
  Effect.gen(function* () {
    const connection = yield* Connection.make(link.client, options)
    const received: Array<string> = []
    let drained = 0
    let closed: { code: number; reason: string } | undefined
    link.server.run({
      message: (frame) => received.push(String(frame)),
      ping: (payload) => {
        received.push("ping")
        link.server.pong?.(payload)
      },
      pong: () => received.push("pong"),
      congested: () => {},
      drained: () => drained++,
      closed: ({ code, reason }) => {
        closed = { code, reason }
      }
    })
    return { connection, link, received, closed: () => closed, drained: () => drained }
  })

/** Like `connect`, with a server that does not answer pings. */
const connectMute = (options?: Options.All) =>
  Effect.gen(function* () {
    const link = MemoryTransport.link()
    const connection = yield* Connection.make(link.client, options)
    const ignore = () => {}
    link.server.run({ message: ignore, ping: ignore, pong: ignore, congested: ignore, drained: ignore, closed: ignore })
    return { connection, link }
  })

const endOf = (connection: Connection.Connection) => Effect.fork(connection.ended)

describe("Heartbeat", () => {
  it.scoped("pings after a random part of the interval, then at every interval, to the millisecond", () =>
    Effect.gen(function* () {
      const { link } = yield* connect()
      yield* TestClock.adjust(14_999)
      assert.strictEqual(link.pings("client"), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(link.pings("client"), 1)
      for (let beat = 2; beat <= 5; beat++) {
        yield* TestClock.adjust(29_999)
        assert.strictEqual(link.pings("client"), beat - 1)
        yield* TestClock.adjust(1)
        assert.strictEqual(link.pings("client"), beat)
      }
    }).pipe(withRandom(0.5))
  )

  it.scoped("takes the round-trip time from the pong that answers the latest ping", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connectMute({ heartbeatInterval: 1000, readDeadline: 5000 })
      yield* TestClock.adjust(500)
      assert.strictEqual(link.pings("client"), 1)
      yield* TestClock.adjust(70)
      link.server.pong?.(new Uint8Array([0, 0, 0, 9]))
      yield* settle
      assert.strictEqual((yield* connection.stats).roundTrip, undefined, "a pong to no ping of ours")
      link.server.pong?.(new Uint8Array([0, 0, 0, 1]))
      yield* settle
      assert.strictEqual((yield* connection.stats).roundTrip, 70)
    }).pipe(withRandom(0.5))
  )

  it.scoped("takes it, too, where the way is longer than the interval", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connectMute({ heartbeatInterval: 1000, readDeadline: 5000 })
      const answer = (id: number) =>
        Effect.zipRight(
          Effect.sync(() => link.server.pong?.(new Uint8Array([0, 0, 0, id]))),
          settle
        )
      yield* TestClock.adjust(2500)
      assert.strictEqual(link.pings("client"), 3)
      yield* TestClock.adjust(250)
      yield* answer(1)
      assert.strictEqual((yield* connection.stats).roundTrip, 2250)
      yield* answer(2)
      assert.strictEqual((yield* connection.stats).roundTrip, 2250, "one that is not timed")
      yield* TestClock.adjust(1000)
      yield* answer(3)
      assert.strictEqual((yield* connection.stats).roundTrip, 1250)
    }).pipe(withRandom(0.5))
  )
})

describe("ReadDeadline", () => {
  it.scoped("ends the connection at exactly the last activity plus the deadline", () =>
    Effect.gen(function* () {
      const { connection } = yield* connectMute()
      const end = yield* endOf(connection)
      yield* TestClock.adjust(59_999)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1)
      const reason = yield* Fiber.join(end)
      assert.strictEqual(reason._tag, "ReadDeadlineExceeded")
      assert.deepInclude(reason, { lastActivity: 0, deadline: 60_000 })
    })
  )

  for (const [what, act] of [
    ["data", (link: MemoryTransport.Link) => link.server.send("x")],
    ["a ping", (link: MemoryTransport.Link) => link.server.ping?.(new Uint8Array(0))],
    ["a pong", (link: MemoryTransport.Link) => link.server.pong?.(new Uint8Array(0))]
  ] as const) {
    it.scoped(`is moved by ${what}`, () =>
      Effect.gen(function* () {
        const { connection, link } = yield* connectMute()
        const end = yield* endOf(connection)
        yield* TestClock.adjust(41_234)
        act(link)
        yield* settle
        assert.strictEqual((yield* connection.stats).lastActivity, 41_234)
        yield* TestClock.adjust(59_999)
        assert.isTrue(yield* isRunning(end))
        yield* TestClock.adjust(1)
        assert.deepInclude(yield* Fiber.join(end), { _tag: "ReadDeadlineExceeded", lastActivity: 41_234 })
      })
    )
  }

  it.scoped("is met to the millisecond when it was moved by one alone", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connectMute()
      const end = yield* endOf(connection)
      yield* TestClock.adjust(1)
      link.server.send("x")
      yield* TestClock.adjust(59_999)
      assert.isTrue(yield* isRunning(end), "looked at, and one millisecond is left")
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "ReadDeadlineExceeded", lastActivity: 1 })
    })
  )

  it.scoped("is not moved by what this end sends", () =>
    Effect.gen(function* () {
      const { connection } = yield* connectMute()
      const end = yield* endOf(connection)
      yield* TestClock.adjust(59_000)
      yield* connection.send("anybody there?")
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* Fiber.join(end))._tag, "ReadDeadlineExceeded")
    })
  )

  it.scoped("does not run while this end has paused reading, and starts over when it reads again", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connectMute({ highWaterMark: 100 })
      const end = yield* endOf(connection)
      for (let i = 0; i < 4; i++) link.server.send("x".repeat(50))
      yield* TestClock.adjust(600_000)
      assert.isTrue(yield* isRunning(end), "paused for ten minutes, by this end")
      yield* Stream.runDrain(Stream.take(connection.messages, 4))
      yield* TestClock.adjust(59_999)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "ReadDeadlineExceeded", lastActivity: 600_000 })
    })
  )

  it.scoped("starts over after a pause when nothing waited to be read", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connectMute({ highWaterMark: 100 })
      const end = yield* endOf(connection)
      link.server.send("x".repeat(100))
      yield* TestClock.adjust(600_000)
      yield* Stream.runDrain(Stream.take(connection.messages, 1))
      yield* TestClock.adjust(59_999)
      assert.isTrue(yield* isRunning(end), "the ten minutes were this end's")
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "ReadDeadlineExceeded", lastActivity: 600_000 })
    })
  )

  it.scoped("is met for ever by a peer that answers pings", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect()
      const end = yield* endOf(connection)
      yield* TestClock.adjust(600_000)
      assert.isTrue(yield* isRunning(end))
    })
  )
})

describe("A connection that ends while it is paused", () => {
  it.scoped("is watched no more: no fiber is left when its scope has closed", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const scope = yield* Scope.make()
      yield* Effect.gen(function* () {
        const link = MemoryTransport.link()
        const connection = yield* Scope.extend(Connection.make(link.client, { highWaterMark: 100 }), scope)
        const ignore = () => {}
        link.server.run({
          message: ignore,
          ping: ignore,
          pong: ignore,
          congested: ignore,
          drained: ignore,
          closed: ignore
        })
        for (let i = 0; i < 4; i++) link.server.send("x".repeat(50))
        yield* TestClock.adjust("2 minutes")
        assert.isBelow((yield* connection.stats).messagesIn, 4, "paused")
        yield* Scope.close(scope, Exit.void)
        yield* settle
        assert.lengthOf(yield* supervisor.value, 0)
      }).pipe(Effect.supervised(supervisor))
    })
  )
})

describe("A message that comes slowly", () => {
  const size = 150 * 1024
  const text = "x".repeat(size)

  const surroundingsHere = Effect.gen(function* () {
    const [clock, runtime, scope] = yield* Effect.all([Effect.clock, Effect.runtime<never>(), Effect.scope])
    return {
      now: () => clock.unsafeCurrentTimeMillis(),
      after: (millis: number, then: () => void) => {
        Runtime.runFork(runtime)(Effect.delay(Effect.sync(then), millis), { scope })
      },
      random: () => 0.5
    }
  })

  const slow = (bytesPerSecond: number) =>
    Effect.gen(function* () {
      const surroundings = yield* surroundingsHere
      const link = MemoryTransport.link({ surroundings })
      const { connection } = yield* connect({ readDeadline: "6 seconds", heartbeatInterval: "5 seconds" }, link)
      const end = yield* endOf(connection)
      link.conditions({ bandwidth: bytesPerSecond }, "server")
      return { connection, end, link }
    })

  it.scoped("is life with each of its bytes", () =>
    Effect.gen(function* () {
      const { connection, end, link } = yield* slow(16 * 1024)
      const got = yield* Effect.fork(Stream.runHead(connection.messages))
      link.server.send(text)
      // Ten pieces, a second each, and the read deadline is six.
      yield* TestClock.adjust(9000)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1000)
      assert.strictEqual(Option.getOrThrow(yield* Fiber.join(got)), text)
    }).pipe(withRandom(0.5))
  )

  it.scoped("has one read deadline for each 64 KiB, and no more", () =>
    Effect.gen(function* () {
      const { end, link } = yield* slow((16 * 1024) / 4)
      link.server.send(text)
      // A piece every four seconds: at 4 s the first, which makes three deadlines of six; the silence is judged from the last that counts.
      yield* TestClock.adjust(4000 + 3 * 6000 - 1)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "ReadDeadlineExceeded", lastActivity: 16_000, deadline: 6000 })
    }).pipe(withRandom(0.5))
  )
})

describe("WriteDeadline", () => {
  it.scoped("a ping that is stuck for 10 s ends the connection", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      const end = yield* endOf(connection)
      yield* TestClock.adjust(14_000)
      link.stall("client")
      yield* TestClock.adjust(1000)
      assert.strictEqual(link.pings("client"), 1)
      yield* TestClock.adjust(9999)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "WriteDeadlineExceeded", since: 15_000, deadline: 10_000 })
    }).pipe(withRandom(0.5))
  )

  it.scoped("counts from the oldest write that still waits", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      const end = yield* endOf(connection)
      link.stall("client")
      yield* connection.send("first")
      yield* TestClock.adjust(6000)
      yield* connection.send("second")
      yield* TestClock.adjust(3000)
      link.release("client")
      link.stall("client")
      yield* connection.send("third")
      yield* TestClock.adjust(9999)
      assert.isTrue(yield* isRunning(end), "the first two have left")
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "WriteDeadlineExceeded", since: 9000 })
    }).pipe(withRandom(0.99))
  )

  it.scoped("of a write that is stuck is not moved by later ones", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      const end = yield* endOf(connection)
      link.stall("client")
      yield* connection.send("first")
      yield* TestClock.adjust(6000)
      yield* connection.send("second")
      yield* TestClock.adjust(3999)
      assert.isTrue(yield* isRunning(end))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(end), { _tag: "WriteDeadlineExceeded", since: 0 })
    }).pipe(withRandom(0.99))
  )

  it.effect("is moved by any byte that leaves, to the millisecond", () =>
    Effect.gen(function* () {
      const backlog = new writeDeadline.Backlog()
      let taken = 0
      backlog.note(0, 128 * 1024, taken)
      const watching = yield* Effect.fork(Effect.flip(writeDeadline.run(backlog, () => taken, 10_000)))
      yield* TestClock.adjust(9000)
      taken = 1
      backlog.note(9000, 128 * 1024, taken)
      yield* TestClock.adjust(9999)
      assert.isTrue(yield* isRunning(watching))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(watching), { _tag: "WriteDeadlineExceeded", since: 9000, deadline: 10_000 })
    })
  )

  it.effect("is met to the millisecond when it was moved by one alone", () =>
    Effect.gen(function* () {
      const backlog = new writeDeadline.Backlog()
      let taken = 0
      backlog.note(0, 128 * 1024, taken)
      const watching = yield* Effect.fork(Effect.flip(writeDeadline.run(backlog, () => taken, 10_000)))
      yield* TestClock.adjust(1)
      taken = 1
      backlog.note(1, 128 * 1024, taken)
      yield* TestClock.adjust(9999)
      assert.isTrue(yield* isRunning(watching), "looked at, and one millisecond is left")
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(watching), { _tag: "WriteDeadlineExceeded", since: 1 })
    })
  )

  it.effect("is one for each 64 KiB of a write, however its bytes leave", () =>
    Effect.gen(function* () {
      const backlog = new writeDeadline.Backlog()
      let taken = 0
      backlog.note(0, 192 * 1024, taken)
      const watching = yield* Effect.fork(Effect.flip(writeDeadline.run(backlog, () => taken, 10_000)))
      for (const at of [7000, 14_000, 21_000, 28_000]) {
        yield* TestClock.adjust(7000)
        backlog.note(at, 192 * 1024, ++taken)
      }
      yield* TestClock.adjust(1999)
      assert.isTrue(yield* isRunning(watching))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(watching), { _tag: "WriteDeadlineExceeded", since: 0, deadline: 30_000 })
    })
  )

  it.effect("of what waits behind another begins when that has left", () =>
    Effect.gen(function* () {
      const backlog = new writeDeadline.Backlog()
      let taken = 0
      backlog.note(0, 10, taken)
      backlog.note(1, 20, taken)
      const watching = yield* Effect.fork(Effect.flip(writeDeadline.run(backlog, () => taken, 10_000)))
      yield* TestClock.adjust(9999)
      taken = 10
      backlog.note(9999, 20, taken)
      yield* TestClock.adjust(9999)
      assert.isTrue(yield* isRunning(watching))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(watching), { _tag: "WriteDeadlineExceeded", since: 9999 })
    })
  )

  it.scoped("is not met by a connection that drains in time", () =>
    Effect.gen(function* () {
      const { connection, link, received } = yield* connect()
      const end = yield* endOf(connection)
      link.stall("client")
      yield* connection.send("late")
      yield* TestClock.adjust(9999)
      link.release("client")
      yield* TestClock.adjust(30_000)
      assert.isTrue(yield* isRunning(end))
      assert.include(received, "late")
    })
  )
})

describe("Connection", () => {
  it.scoped("loses nothing that arrived before it was made, and keeps the order", () =>
    Effect.gen(function* () {
      const link = MemoryTransport.link()
      const ignore = () => {}
      link.server.run({
        message: ignore,
        ping: ignore,
        pong: ignore,
        congested: ignore,
        drained: ignore,
        closed: ignore
      })
      link.server.send("early 1")
      link.server.send("early 2")
      yield* settle
      const connection = yield* Connection.make(link.client)
      link.server.send("late")
      const messages = yield* Stream.runCollect(Stream.take(connection.messages, 3))
      assert.deepStrictEqual([...messages], ["early 1", "early 2", "late"])
    })
  )

  it.scoped("send suspends above the high-water mark, and goes on when the peer reads again", () =>
    Effect.gen(function* () {
      const { connection, link, received } = yield* connect({ highWaterMark: 100 })
      link.stall("client")
      yield* connection.send("a".repeat(101))
      const second = yield* Effect.fork(connection.send("b"))
      yield* settle
      assert.isTrue(yield* isRunning(second))
      assert.strictEqual((yield* connection.stats).buffered, 101, "the second waits with its sender, not in memory")
      link.release("client")
      yield* settle
      assert.isFalse(yield* isRunning(second))
      assert.deepStrictEqual(received, ["a".repeat(101), "b"])
    })
  )

  it.scoped("a suspended send fails with the reason when the connection ends", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect({ highWaterMark: 10 })
      link.stall("client")
      yield* connection.send("a".repeat(11))
      const second = yield* Effect.fork(Effect.flip(connection.send("b")))
      yield* settle
      link.cut()
      assert.strictEqual((yield* Fiber.join(second))._tag, "ConnectionLost")
    })
  )

  it.scoped("an interrupted send does not go out later", () =>
    Effect.gen(function* () {
      const { connection, link, received } = yield* connect({ highWaterMark: 10 })
      link.stall("client")
      yield* connection.send("a".repeat(11))
      const second = yield* Effect.fork(connection.send("b"))
      yield* settle
      yield* Fiber.interrupt(second)
      link.release("client")
      yield* settle
      assert.deepStrictEqual(received, ["a".repeat(11)])
    })
  )

  it.scoped("leaves to the next reader what one that stops in the middle has not seen", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      for (const text of ["a", "b", "c", "d"]) link.server.send(text)
      yield* settle
      const some = (count: number) =>
        Effect.map(Stream.runCollect(Stream.take(connection.messages, count)), (all) => [...all])
      assert.deepStrictEqual(yield* some(1), ["a"])
      assert.deepStrictEqual(yield* some(3), ["b", "c", "d"])
    })
  )

  it.scoped("pauses a peer that is faster than the application, and drops nothing", () =>
    Effect.gen(function* () {
      const link = MemoryTransport.link({ capacity: 1000 })
      const { connection } = yield* connect({ highWaterMark: 1000 }, link)
      for (let i = 0; i < 100; i++) link.server.send(`${i}`.padStart(100, " "))
      yield* settle
      assert.isAbove(link.server.buffered(), 7000, "pushed back to the sender")
      const messages = yield* Stream.runCollect(Stream.take(connection.messages, 100))
      assert.deepStrictEqual(
        [...messages].map(Number),
        Array.from({ length: 100 }, (_, i) => i)
      )
    })
  )

  it.scoped("tells how it ended: by the peer, by this end, or broken", () =>
    Effect.gen(function* () {
      const byPeer = yield* connect()
      byPeer.link.server.close(1001, "leaving")
      assert.deepInclude(yield* byPeer.connection.ended, { _tag: "ClosedByPeer", code: 1001, reason: "leaving" })
      const byPeerMessages = yield* Effect.flip(Stream.runDrain(byPeer.connection.messages))
      assert.strictEqual(byPeerMessages._tag, "ClosedByPeer")

      const local = yield* connect()
      yield* local.connection.close(1000, "done")
      assert.deepInclude(yield* local.connection.ended, { _tag: "ClosedLocally", code: 1000 })
      assert.deepStrictEqual(local.closed(), { code: 1000, reason: "done" })
      yield* Stream.runDrain(local.connection.messages)

      const broken = yield* connect()
      broken.link.cut()
      assert.strictEqual((yield* broken.connection.ended)._tag, "ConnectionLost")
    })
  )

  it.scoped("only the first reason counts", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      link.server.close(4000, "first")
      yield* settle
      yield* connection.close(1000, "second")
      assert.deepInclude(yield* connection.ended, { _tag: "ClosedByPeer", code: 4000 })
    })
  )

  it.scoped("cuts a long close reason to 123 bytes", () =>
    Effect.gen(function* () {
      const { closed, connection } = yield* connect()
      yield* connection.close(4000, "é".repeat(100))
      assert.strictEqual(closed()?.reason, "é".repeat(61))
    })
  )

  it.scoped("waits closeTimeout for the close handshake, then destroys", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      link.silence()
      const closing = yield* Effect.fork(connection.close())
      yield* TestClock.adjust(4999)
      assert.isTrue(yield* isRunning(closing))
      assert.isTrue(link.isOpen())
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(closing))
      assert.isFalse(link.isOpen())
    })
  )

  it.scoped("has no fiber any more when it has ended, though its scope is open", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const { connection } = yield* Effect.supervised(connect(), supervisor)
      yield* settle
      assert.lengthOf(yield* supervisor.value, 2, "the heartbeat and the read deadline")
      yield* connection.close()
      yield* settle
      assert.lengthOf(yield* supervisor.value, 0)
    })
  )

  it.effect("closing the scope stops the heartbeat and closes with 1001", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { closed, link } = yield* Scope.extend(connect(), scope)
      yield* TestClock.adjust(100_000)
      const pings = link.pings("client")
      assert.isAbove(pings, 1)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(link.isOpen())
      yield* TestClock.adjust(100_000)
      assert.strictEqual(link.pings("client"), pings)
      assert.strictEqual(closed()?.code, 1001)
    })
  )

  it.scoped("refuses a message above maxMessage", () =>
    Effect.gen(function* () {
      const { connection, received } = yield* connect({ maxMessage: 10 })
      yield* connection.send("x".repeat(10))
      const error = yield* Effect.flip(connection.send("ééééé!"))
      assert.deepInclude(error, { _tag: "MessageTooLarge", size: 11, limit: 10 })
      yield* settle
      assert.deepStrictEqual(received, ["x".repeat(10)])
    })
  )

  it.scoped("adds what passed to the metrics, at each heartbeat and at the end", () =>
    Effect.gen(function* () {
      const messages = Metric.counter("holdfast_messages_total", {
        description: "WebSocket messages",
        incremental: true
      })
      const sent = Metric.value(Metric.tagged(messages, "direction", "out"))
      const { count: before } = yield* sent
      const { connection, link } = yield* connect()
      yield* connection.send("one")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* sent).count - before, 1)
      yield* connection.send("two")
      link.cut()
      yield* connection.ended
      assert.strictEqual((yield* sent).count - before, 2)
    })
  )

  it.scoped("counts what passes", () =>
    Effect.gen(function* () {
      const { connection, link } = yield* connect()
      const messages = yield* collect(connection.messages)
      yield* connection.send("four")
      link.server.send("three")
      yield* settle
      assert.deepInclude(yield* connection.stats, { messagesIn: 1, bytesIn: 5, messagesOut: 1, bytesOut: 4 })
      assert.deepStrictEqual(yield* messages, ["three"])
    })
  )
})
