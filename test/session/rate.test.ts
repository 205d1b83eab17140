import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Supervisor, TestClock } from "effect"
import { type Codec, Dialer, Gateway, Messages, type Options } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { make, Pacer } from "../../src/session/pacer.js"
import { collect, isRunning, makeClient, settle, World, withRandom } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

interface Said {
  readonly type: string
  readonly [field: string]: unknown
}

/** A client that paces nothing. */
interface Raw {
  readonly said: ReadonlyArray<Said>
  readonly closed: () => { readonly code: number; readonly reason: string } | undefined
  /** Gives the frame's length. */
  readonly say: (message: object) => number
  readonly ping: () => void
}

const dial: Effect.Effect<Raw, unknown, Dialer.Dialer | Scope.Scope> = Effect.gen(function* () {
  const dialer = yield* Dialer.Dialer
  const transport = yield* dialer.dial({
    url: "memory:",
    protocols: ["holdfast.v1.json"],
    maxFrame: 1e9,
    closeTimeout: 1000
  })
  const said: Array<Said> = []
  let closed: ReturnType<Raw["closed"]>
  transport.run({
    message: (frame: Codec.Frame) => void said.push(JSON.parse(String(frame))),
    ping: () => {},
    pong: () => {},
    congested: () => {},
    drained: () => {},
    closed: ({ code, reason }) => {
      closed = { code, reason }
    }
  })
  return {
    said,
    closed: () => closed,
    say: (message: object) => {
      const frame = JSON.stringify(message)
      transport.send(frame)
      return frame.length
    },
    ping: () => transport.ping?.(new Uint8Array(4))
  }
})

/** Dials and says hello; after the welcome. */
const join = (hello: object = {}) =>
  Effect.gen(function* () {
    const raw = yield* dial
    raw.say({ type: "hello", ...hello })
    yield* settle
    return raw
  })

const data = (seq: number, body: unknown = seq) => ({ type: "data", seq, ack: 0, body })
const find = (raw: Raw, type: string) => raw.said.find((message) => message.type === type)

/** What resumes a session of which the messages before this one were processed. */
const resumeFrom = (raw: Raw, oldest: number) => {
  const welcome = find(raw, "welcome")
  return { resume: { session: welcome?.["session"], secret: welcome?.["secret"], processed: 0, oldest } }
}

/** A gateway that only listens; `handled` is what it was given. */
const listener = (options?: Options.All) =>
  Effect.gen(function* () {
    const handled: Array<unknown> = []
    const gateway = yield* Gateway.make({
      ...options,
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message) => Effect.sync(() => void handled.push(message))
    })
    return { gateway, handled }
  })

/** 50 a second and a window of 4: a bucket of 54. */
const slow = { messageRate: 50, replayMessages: 4 }
const tooMany = "more than 50 messages a second"

describe("A gateway with a message rate", () => {
  it.scoped("tells it in the welcome, with the byte rate", () =>
    Effect.gen(function* () {
      yield* listener()
      const raw = yield* join()
      assert.deepStrictEqual(find(raw, "welcome")?.["limits"], {
        maxMessage: 1_048_576,
        messages: 1024,
        bytes: 1_048_576,
        part: 65_536,
        messageRate: 10_000,
        byteRate: 16_777_216,
        requestRate: 1000,
        requests: 2048
      })
    }).pipe(Effect.provide(World))
  )

  it.scoped(
    "takes a second's worth, a window and the heartbeats of both ends at once, and closes at one more: goaway and 4429",
    () =>
      Effect.gen(function* () {
        const { handled } = yield* listener(slow)
        const raw = yield* join()
        for (let seq = 1; seq <= 58; seq++) {
          raw.say(data(seq))
          yield* settle
        }
        assert.lengthOf(handled, 58)
        assert.isUndefined(raw.closed())
        raw.say(data(59))
        yield* settle
        // 58 of them at 50 a second.
        assert.deepStrictEqual(raw.said.at(-1), { type: "goaway", retryAfter: 1160, reason: tooMany })
        assert.deepStrictEqual(raw.closed(), { code: 4429, reason: tooMany })
        assert.lengthOf(handled, 58)
      }).pipe(Effect.provide(World))
  )

  it.scoped("takes one more every 20 ms after that, and not a millisecond earlier", () =>
    Effect.gen(function* () {
      const { handled } = yield* listener(slow)
      const raw = yield* join()
      for (let seq = 1; seq <= 58; seq++) {
        raw.say(data(seq))
        yield* settle
      }
      for (let seq = 59; seq <= 64; seq++) {
        yield* TestClock.adjust(20)
        raw.say(data(seq))
        yield* settle
      }
      assert.lengthOf(handled, 64)
      yield* TestClock.adjust(19)
      assert.isUndefined(raw.closed())
      raw.say(data(65))
      yield* settle
      assert.strictEqual(raw.closed()?.code, 4429)
      // 57.05 messages are missing.
      assert.strictEqual(find(raw, "goaway")?.["retryAfter"], 1141)
    }).pipe(Effect.provide(World))
  )

  it.scoped("counts pings, of the protocol and of the WebSocket, and what does not decode", () =>
    Effect.gen(function* () {
      yield* listener(slow)
      for (const act of [
        (raw: Raw) => raw.say({ type: "ping", id: 1 }),
        (raw: Raw) => raw.say({ type: "pong", id: 1 }),
        (raw: Raw) => raw.ping()
      ]) {
        const raw = yield* join()
        for (let i = 0; i < 58; i++) act(raw)
        yield* settle
        assert.isUndefined(raw.closed())
        act(raw)
        yield* settle
        assert.strictEqual(raw.closed()?.reason, tooMany)
      }
      const raw = yield* join()
      for (let i = 0; i < 58; i++) raw.say({ type: "ping", id: i })
      raw.say({ type: "nonsense" })
      yield* settle
      assert.strictEqual(raw.closed()?.code, 4429)
    }).pipe(Effect.provide(World))
  )

  it.scoped("does not count an acknowledgement of something new, and counts any other", () =>
    Effect.gen(function* () {
      const { gateway } = yield* listener(slow)
      const raw = yield* join()
      const session = (yield* gateway.sessions)[0]
      for (let seq = 1; seq <= 200; seq++) {
        yield* session?.send(seq) ?? Effect.void
        yield* settle
        raw.say({ type: "ack", ack: seq })
        yield* settle
      }
      assert.isUndefined(raw.closed())
      assert.lengthOf(
        raw.said.filter(({ type }) => type === "data"),
        200
      )
      for (let i = 0; i < 58; i++) raw.say({ type: "ack", ack: 200 - i })
      yield* settle
      assert.isUndefined(raw.closed())
      raw.say({ type: "ack", ack: 200 })
      yield* settle
      assert.strictEqual(raw.closed()?.code, 4429)
    }).pipe(Effect.provide(World))
  )

  it.scoped("has one bucket for the session: a new connection goes on with what has come back", () =>
    Effect.gen(function* () {
      const { gateway, handled } = yield* listener(slow)
      const first = yield* join()
      for (let seq = 1; seq <= 58; seq++) {
        first.say(data(seq))
        yield* settle
      }
      first.say(data(59))
      yield* settle
      assert.strictEqual(first.closed()?.code, 4429)
      assert.strictEqual((yield* gateway.stats).sessions, 1)
      yield* TestClock.adjust(100)
      const second = yield* join(resumeFrom(first, 59))
      assert.deepInclude(find(second, "welcome"), { resumed: true, processed: 58 })
      // Five have come back.
      for (let seq = 59; seq <= 63; seq++) {
        second.say(data(seq))
        yield* settle
      }
      assert.isUndefined(second.closed())
      assert.deepStrictEqual(
        handled,
        Array.from({ length: 63 }, (_, i) => i + 1)
      )
      second.say(data(64))
      yield* settle
      assert.strictEqual(second.closed()?.code, 4429)
      // Of another session nothing was taken.
      const other = yield* join()
      for (let seq = 1; seq <= 58; seq++) {
        other.say(data(seq))
        yield* settle
      }
      assert.isUndefined(other.closed())
    }).pipe(Effect.provide(World))
  )
})

describe("A gateway with a byte rate", () => {
  // The bucket: 1000 for the second, 2000 and 4 × 128 for the window, 2000 and 2048 for that of requests, 1500 for a largest message.
  const options = { byteRate: 1000, replayBytes: 2000, replayMessages: 4, maxMessage: 1500 }
  const bucket = 1000 + 2000 + 4 * 128 + 2000 + 2048 + 1500
  const tooMuch = "more than 1000 bytes a second"
  const sized = (seq: number, size: number) => data(seq, "x".repeat(size - JSON.stringify(data(seq, "")).length))

  it.scoped("counts to the byte and to the millisecond: goaway and 4429, and the session goes on", () =>
    Effect.gen(function* () {
      const { handled } = yield* listener(options)
      const exact = yield* join()
      for (let seq = 1; seq <= 6; seq++) {
        exact.say(sized(seq, 1400))
        yield* settle
      }
      exact.say(sized(7, bucket - 6 * 1400))
      yield* settle
      assert.isUndefined(exact.closed())
      assert.lengthOf(handled, 7)
      yield* TestClock.adjust(100)
      exact.say(sized(8, 101))
      yield* settle
      // All but the hundred that have come back.
      assert.deepStrictEqual(exact.said.at(-1), { type: "goaway", retryAfter: bucket - 100, reason: tooMuch })
      assert.deepStrictEqual(exact.closed(), { code: 4429, reason: tooMuch })
      const again = yield* join(resumeFrom(exact, 8))
      again.say(sized(8, 100))
      yield* settle
      assert.isUndefined(again.closed())
      assert.lengthOf(handled, 8)
    }).pipe(Effect.provide(World))
  )

  it.scoped("asks to come back after a second at least, however soon it is full", () =>
    Effect.gen(function* () {
      yield* listener({ messageRate: 20_000, replayMessages: 1 })
      const raw = yield* join()
      // Of 2005, which take a tenth of a second.
      for (let id = 0; id <= 2005; id++) raw.say({ type: "pong", id })
      yield* settle
      assert.deepInclude(find(raw, "goaway"), { retryAfter: 1000, reason: "more than 20000 messages a second" })
    }).pipe(Effect.provide(World))
  )

  it.scoped("asks to come back within half a minute, however long it takes", () =>
    Effect.gen(function* () {
      yield* listener({ ...options, byteRate: 10 })
      const raw = yield* join()
      for (let seq = 1; seq <= 6; seq++) {
        raw.say(sized(seq, 1400))
        yield* settle
      }
      assert.strictEqual(find(raw, "goaway")?.["retryAfter"], 30_000)
    }).pipe(Effect.provide(World))
  )
})

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe("A client", () => {
  it.scoped("that sends as fast as it can keeps to 95% of the rate, is never closed, and takes the time exactly", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* listener({ messageRate: 40_000 })
      const client = yield* makeClient()
      const events = yield* collect(client.events)
      yield* settle
      yield* Effect.fork(Effect.forEach(upTo(16_000), client.send, { discard: true }))
      yield* settle
      // A tenth of a second's worth at once, and 38 every millisecond for the rest.
      assert.lengthOf(handled, 3_800)
      yield* TestClock.adjust(1)
      assert.lengthOf(handled, 3_838)
      yield* TestClock.adjust(320)
      assert.lengthOf(handled, 15_998)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(handled, upTo(16_000))
      assert.deepStrictEqual(yield* events, [])
      assert.strictEqual(yield* network.dials, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped("sends at the millisecond at which the next one fits, and keeps what came too late for one", () =>
    Effect.gen(function* () {
      const { handled } = yield* listener({ messageRate: 20 })
      const client = yield* makeClient()
      yield* settle
      for (const number of upTo(60)) yield* client.send(number)
      yield* settle
      // 19 at once, then one each 52.63 ms.
      assert.lengthOf(handled, 19)
      for (const count of upTo(19)) {
        const at = Math.ceil((count * 1000) / 19)
        yield* TestClock.setTime(at - 1)
        assert.lengthOf(handled, 19 + count - 1, `${at - 1} ms`)
        yield* TestClock.setTime(at)
        assert.lengthOf(handled, 19 + count, `${at} ms`)
      }
    }).pipe(Effect.provide(World))
  )

  it.scoped("keeps to 95% of the byte rate; a message larger than that waits for a full bucket", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* listener({ byteRate: 1000, maxMessage: 5000 })
      const client = yield* makeClient()
      yield* settle
      const body = (seq: number, size: number) => "x".repeat(size - JSON.stringify(data(seq, "")).length)
      yield* client.send(body(1, 1900))
      yield* client.send(body(2, 3800))
      yield* client.send(body(3, 95))
      yield* settle
      // It was full, and owes 950 now.
      assert.lengthOf(handled, 1)
      yield* TestClock.adjust(1999)
      assert.lengthOf(handled, 1)
      yield* TestClock.adjust(1)
      // It owes 2850, and 95 more are needed.
      assert.lengthOf(handled, 2)
      yield* TestClock.adjust(3099)
      assert.lengthOf(handled, 2)
      yield* TestClock.adjust(1)
      assert.lengthOf(handled, 3)
      assert.strictEqual(yield* network.dials, 1)
    }).pipe(Effect.provide(World))
  )

  it.scoped(
    "whose messages were held up on the way, all that may be, is not closed when they come at once",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { handled } = yield* listener({ messageRate: 20, replayMessages: 50 })
        const client = yield* makeClient({ replayMessages: 200 })
        yield* settle
        const link = yield* network.latest
        link.stall("client")
        for (const number of upTo(200)) yield* client.send(number)
        yield* TestClock.adjust("5 seconds")
        assert.lengthOf(handled, 0)
        link.release("client")
        // The window arrives; its acknowledgements bring a second's worth more, for which one `settle` may be too short.
        yield* settle
        yield* settle
        // The window, and then a second's worth more.
        assert.lengthOf(handled, 50 + 19)
        yield* TestClock.adjust("7 seconds")
        assert.deepStrictEqual(handled, upTo(200))
        assert.strictEqual(yield* network.dials, 1)
      }).pipe(Effect.provide(World), withRandom(0.17)) // the first heartbeats come in the middle of it, and count, too
  )

  it.scoped("that comes back goes on with the bucket that it had", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* listener({ messageRate: 20 })
      const client = yield* makeClient()
      const events = yield* collect(client.events)
      yield* settle
      for (const number of upTo(100)) yield* client.send(number)
      yield* settle
      assert.lengthOf(handled, 19)
      for (const turn of upTo(3)) {
        yield* network.cut()
        yield* settle
        yield* client.reconnect
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Ready")
        assert.lengthOf(handled, 19 * turn - (turn - 1))
        // What proves that the welcome came is a message, too.
        yield* TestClock.adjust("1 second")
        assert.lengthOf(handled, 19 * (turn + 1) - turn)
      }
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(handled, upTo(100))
      assert.deepStrictEqual(yield* events, [])
    }).pipe(Effect.provide(World))
  )

  it.scoped("goes on at once with the rates of a server that allows more", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const scope = yield* Scope.make()
      yield* Scope.extend(listener({ messageRate: 20 }), scope)
      const client = yield* makeClient()
      yield* settle
      for (const number of upTo(100)) yield* client.send(number)
      yield* network.cut()
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      yield* Fiber.join(closing)
      const { handled } = yield* listener({ messageRate: 2000 })
      yield* settle
      yield* client.reconnect
      yield* settle
      assert.deepStrictEqual(handled, upTo(100).slice(-handled.length))
      assert.isAbove(handled.length, 80)
    }).pipe(Effect.provide(World))
  )

  it.scoped("sleeps in one fiber while it waits, and leaves none behind", () =>
    Effect.gen(function* () {
      yield* listener({ messageRate: 20 })
      yield* settle
      const supervisor = yield* Supervisor.track
      const living = Effect.map(supervisor.value, (fibers) => fibers.length)
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        const client = yield* Scope.extend(makeClient(), scope)
        yield* settle
        const quiet = yield* living
        for (const number of upTo(200)) yield* client.send(number)
        yield* settle
        assert.strictEqual(yield* living, quiet + 1)
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(yield* living, quiet + 1)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        // More was accepted than can be sent within it.
        yield* TestClock.adjust("5 seconds")
        assert.isFalse(yield* isRunning(closing))
      }).pipe(Effect.supervised(supervisor))
      assert.strictEqual(yield* living, 0)
      // No ping falls into it: a client watches for its answer in a fiber.
    }).pipe(withRandom(0.9), Effect.provide(World))
  )

  it.scoped("that has ended waits for nothing more", () =>
    Effect.gen(function* () {
      const { gateway } = yield* listener({ messageRate: 20 })
      yield* settle
      const supervisor = yield* Supervisor.track
      yield* Effect.gen(function* () {
        const client = yield* makeClient()
        yield* settle
        for (const number of upTo(200)) yield* client.send(number)
        for (const session of yield* gateway.sessions) yield* session.end("enough")
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Ended")
        assert.lengthOf(yield* supervisor.value, 0)
      }).pipe(Effect.supervised(supervisor))
    }).pipe(Effect.provide(World))
  )

  it.scoped("that a server floods is not closed for its acknowledgements", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { gateway } = yield* listener({ messageRate: 10, replayMessages: 16 })
      const client = yield* makeClient()
      const messages = yield* collect(client.messages)
      yield* settle
      const session = (yield* gateway.sessions)[0]
      const flood = Effect.forEach(upTo(2000), (number) => session?.deliver(number) ?? Effect.void, { concurrency: 8 })
      const flooding = yield* Effect.fork(flood)
      yield* settle
      yield* Fiber.join(flooding)
      assert.deepStrictEqual(yield* messages, upTo(2000))
      assert.strictEqual(yield* network.dials, 1)
    }).pipe(Effect.provide(World))
  )

  it.effect("of a server that names no rate waits for nothing", () =>
    Effect.gen(function* () {
      const pacer = new Pacer(yield* Effect.clock, Effect.runFork)
      const queue = { paced: () => {} }
      for (let i = 0; i < 100_000; i++) assert.isTrue(pacer.take(1e9, queue))
      // Of one only: the other does not bind.
      pacer.obey({ messageRate: 100 })
      for (let i = 0; i < 95; i++) assert.isTrue(pacer.take(1e6, queue))
      assert.isFalse(pacer.take(1, queue))
      pacer.end()
    })
  )

  it.scoped("lets queues that wait take turns", () =>
    Effect.gen(function* () {
      const pacer = yield* make
      const sent: Array<string> = []
      const queue = (name: string) => {
        const self = {
          paced: () => {
            while (pacer.take(1, self)) sent.push(name)
          }
        }
        return self
      }
      pacer.obey({ byteRate: 20 })
      const [one, two, three] = [queue("1"), queue("2"), queue("3")] as const
      one.paced()
      assert.lengthOf(sent, 19)
      two.paced()
      three.paced()
      two.paced()
      sent.length = 0
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sent.join(""), "1231231231231231231")
      pacer.end()
      yield* TestClock.adjust("1 second")
      assert.lengthOf(sent, 19)
      // Many fit at once: still one each while another waits.
      assert.isTrue(pacer.take(19, one))
      assert.isFalse(pacer.take(19, one))
      sent.length = 0
      yield* TestClock.adjust("500 millis")
      // It would fit, but not before the one that waits.
      two.paced()
      assert.lengthOf(sent, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sent.join("").slice(0, 4), "1212")
    })
  )
})
