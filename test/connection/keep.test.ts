/** A connection that is kept, to a server that knows nothing of Holdfast. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber, Logger, Ref, Runtime, Schedule, Schema, Scope, Stream, TestClock } from "effect"
import {
  CloseCode,
  Connection,
  ConnectionError,
  HostEvents,
  Listener,
  Messages,
  Reconnect,
  type Transport
} from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { collect, isRunning, settle, withRandom } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

interface Peer {
  readonly transport: Transport.Transport
  /** The messages that came. */
  readonly got: Array<string>
  pings: number
  closed: number | undefined
}

/** A server that does with each connection what it is told to, and what it has accepted. */
const serve = (
  onConnection: (peer: Peer) => void = () => {},
  onMessage: (peer: Peer, text: string) => void = () => {}
) =>
  Effect.gen(function* () {
    const listener = yield* Listener.Listener
    const peers: Array<Peer> = []
    const urls: Array<string> = []
    const runtime = yield* Effect.runtime<never>()
    yield* listener.listen((incoming) => {
      urls.push(incoming.request.url)
      const options = { protocol: incoming.request.protocols[0] ?? "", maxFrame: 1_000_000, closeTimeout: 5000 }
      Runtime.runFork(runtime)(
        Effect.map(incoming.accept(options), (transport) => {
          const peer: Peer = { transport, got: [], pings: 0, closed: undefined }
          peers.push(peer)
          transport.run({
            message: (frame) => {
              peer.got.push(String(frame))
              onMessage(peer, String(frame))
            },
            ping: (payload) => {
              peer.pings++
              transport.pong?.(payload)
            },
            pong: () => {},
            congested: () => {},
            drained: () => {},
            closed: ({ code }) => {
              peer.closed = code
            }
          })
          onConnection(peer)
        })
      )
    })
    return { peers, urls }
  })

const slowly = Reconnect.exponential({ jitter: false })
const keep = (options?: Partial<Connection.KeepOptions<string | Uint8Array, string | Uint8Array>>) =>
  Connection.keep({ url: "memory:", reconnect: slowly, ...options })

const tags = (all: ReadonlyArray<{ readonly _tag: string }>) => all.map(({ _tag }) => _tag)

describe("A connection that is kept", () => {
  it.scoped("is Ready, sends and receives, and closes with 1000", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => transport.send("hello"))
      const kept = yield* keep()
      const messages = yield* collect(kept.messages)
      assert.deepInclude(yield* kept.ready, { connection: 1, suspect: false })
      yield* kept.send("one")
      yield* settle
      assert.deepStrictEqual(yield* messages, ["hello"])
      assert.deepStrictEqual(peers[0]?.got, ["one"])
      yield* Effect.fork(kept.close)
      yield* settle
      assert.strictEqual(peers[0]?.closed, 1000)
      assert.deepStrictEqual(yield* kept.ended, { _tag: "Closed" })
      assert.deepStrictEqual([...(yield* Stream.runCollect(kept.messages))], [])
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(peers, 1)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("is closed with 1001 by its scope, and makes no other attempt", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve()
      const scope = yield* Scope.make()
      const kept = yield* Scope.extend(keep(), scope)
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      assert.isFalse(yield* isRunning(closing))
      assert.strictEqual(peers[0]?.closed, 1001)
      assert.deepStrictEqual(yield* kept.status, { _tag: "Ended", reason: { _tag: "Closed" } })
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(peers, 1)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("comes back 1, 2, 4 … 30 s after its ends, and after 1 s again once it was Ready for stableAfter", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep()
      yield* kept.ready
      for (const delay of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
        yield* network.cut()
        yield* settle
        assert.deepInclude(yield* kept.status, { _tag: "Waiting", delay })
        const before = peers.length
        yield* TestClock.adjust(delay - 1)
        assert.lengthOf(peers, before)
        yield* TestClock.adjust(1)
        assert.lengthOf(peers, before + 1)
      }
      yield* TestClock.adjust(5000)
      yield* network.cut()
      yield* settle
      assert.deepInclude(yield* kept.status, { _tag: "Waiting", attempt: 1, delay: 1000 })
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("yields the messages of all connections as one stream, with a gap between two", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep()
      const received = yield* collect(kept.received)
      yield* settle
      peers[0]?.transport.send("a")
      peers[0]?.transport.send("b")
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(1000)
      // Nothing came over the second.
      yield* network.cut()
      yield* TestClock.adjust(2000)
      peers[2]?.transport.send("c")
      yield* settle
      const all = yield* received
      assert.deepStrictEqual(tags(all), ["Message", "Message", "Gap", "Gap", "Message"])
      assert.strictEqual(all[2]?._tag === "Gap" ? all[2].reason._tag : "", "ConnectionLost")
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("has one gap where several have nothing between them that was not pulled yet", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep()
      yield* settle
      peers[0]?.transport.send("a")
      for (let i = 0; i < 3; i++) {
        yield* settle
        yield* network.cut()
        yield* TestClock.adjust("30 seconds")
      }
      peers.at(-1)?.transport.send("b")
      yield* settle
      const all = yield* Stream.runCollect(Stream.take(kept.received, 3))
      assert.deepStrictEqual(tags([...all]), ["Message", "Gap", "Message"])
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("finds a silent server at the read deadline, to the millisecond, and is suspect before", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* serve()
      const kept = yield* keep()
      yield* kept.ready
      yield* network.silence()
      // Pings after 15 s, suspect 10 s later.
      yield* TestClock.adjust(24_999)
      assert.deepInclude(yield* kept.status, { _tag: "Ready", suspect: false })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* kept.status, { _tag: "Ready", suspect: true })
      yield* TestClock.adjust(34_999)
      assert.deepInclude(yield* kept.status, { _tag: "Ready" })
      yield* TestClock.adjust(1)
      const status = yield* kept.status
      assert.strictEqual(status._tag === "Waiting" ? status.reason._tag : "", "ReadDeadlineExceeded")
    }).pipe(withRandom(0.5), Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped(
    "pauses a server that is faster than its reader, over a reconnect too, and loses nothing of what it read",
    () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { peers } = yield* serve(({ transport }) => {
          for (let i = 0; i < 400; i++) transport.send(`${i}`.padEnd(1000))
        })
        const kept = yield* keep({ highWaterMark: 10_000 })
        yield* TestClock.adjust("1 minute")
        assert.isAbove(peers[0]?.transport.buffered() ?? 0, 0)
        yield* network.cut()
        yield* TestClock.adjust("1 second")
        const first = yield* Stream.runCollect(Stream.takeUntil(kept.received, ({ _tag }) => _tag === "Gap"))
        assert.isBelow(first.length, 401)
        assert.deepStrictEqual(
          [...first].slice(0, -1).map((one) => (one._tag === "Message" ? Number(one.value) : one._tag)),
          Array.from({ length: first.length - 1 }, (_, i) => i)
        )
        const second = yield* collect(kept.messages)
        yield* settle
        assert.lengthOf(yield* second, 400)
      }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("begins an attempt at once when asked to, and when its host awakes", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const listeners = new Set<(event: HostEvents.HostEvent) => void>()
      const { peers } = yield* serve()
      const kept = yield* keep().pipe(
        Effect.provideService(HostEvents.HostEvents, {
          listen: (listener) => Effect.sync(() => void listeners.add(listener))
        })
      )
      yield* settle
      yield* network.cut()
      yield* settle
      yield* kept.reconnect
      yield* settle
      assert.lengthOf(peers, 2)
      yield* network.cut()
      yield* settle
      for (const listener of listeners) listener("Awake")
      yield* settle
      assert.lengthOf(peers, 3)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("has its URL and its headers made anew for each attempt", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers, urls } = yield* serve()
      let runs = 0
      yield* keep({ url: Effect.sync(() => `memory:///${++runs}`) })
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust("1 second")
      assert.lengthOf(peers, 2)
      assert.deepStrictEqual(
        urls.map((url) => url.slice(-1)),
        ["1", "2"]
      )
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.effect("refuses a URL that is impossible, and options that break their rule", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(keep({ url: "http//nowhere" })))
      assert.deepInclude(error, { _tag: "InvalidOption", option: "url" })
      const other = yield* Effect.flip(Effect.scoped(keep({ readDeadline: "1 second" })))
      assert.deepInclude(other, { _tag: "InvalidOption", option: "readDeadline" })
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})

describe("onConnect", () => {
  it.scoped("runs on each connection before it is Ready: sends, receives, and leaves the rest", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve(
        ({ transport }) => transport.send("who?"),
        ({ transport }, text) => {
          for (const answer of text === "ann" ? ["welcome", "news"] : []) transport.send(answer)
        }
      )
      const seen: Array<unknown> = []
      const kept = yield* keep({
        onConnect: ({ connection, receive, send }) =>
          Effect.gen(function* () {
            seen.push(connection, yield* receive)
            yield* send("ann")
            seen.push(yield* receive)
          })
      })
      const messages = yield* collect(kept.messages)
      yield* settle
      assert.deepInclude(yield* kept.status, { _tag: "Ready", connection: 1 })
      yield* network.cut()
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* kept.status, { _tag: "Ready", connection: 2 })
      assert.deepStrictEqual(seen, [1, "who?", "welcome", 2, "who?", "welcome"])
      assert.deepStrictEqual(yield* messages, ["news", "news"])
      assert.lengthOf(peers, 2)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  const never = Effect.async<never>(() => {})
  for (const [how, effect, reason] of [
    ["fails", Effect.fail("no ticket"), "onConnect failed: no ticket"],
    ["dies", Effect.die(new Error("a defect")), "onConnect failed: a defect"],
    ["never ends", never, "onConnect failed: it has not ended within 3000 ms (connectTimeout)"],
    ["never ends and cannot be interrupted", Effect.uninterruptible(never), "it has not ended within 3000 ms"]
  ] as const) {
    it.scoped(`that ${how} is a failed attempt, and the next one follows`, () =>
      Effect.gen(function* () {
        const { peers } = yield* serve()
        const kept = yield* keep({
          connectTimeout: 3000,
          onConnect: ({ connection }) =>
            peers.length < 2 ? effect : Effect.sync(() => assert.strictEqual(connection, 1))
        })
        yield* TestClock.adjust(how.startsWith("never") ? 2999 : 0)
        if (how.startsWith("never")) {
          assert.deepInclude(yield* kept.status, { _tag: "Connecting" })
          yield* TestClock.adjust(1)
        }
        const status = yield* kept.status
        assert.include(status._tag === "Waiting" ? status.reason.message : status._tag, reason)
        assert.strictEqual(peers[0]?.closed, 1001)
        yield* TestClock.adjust(1000)
        assert.deepInclude(yield* kept.status, { _tag: "Ready", connection: 1 })
      }).pipe(Effect.provide(MemoryNetwork.layer()))
    )
  }

  it.scoped("ends with its connection, and the reason of that counts", () =>
    Effect.gen(function* () {
      yield* serve(({ transport }) => transport.close(4004, "bad token"))
      const kept = yield* keep({ onConnect: ({ receive }) => Effect.ignore(receive).pipe(Effect.zipRight(never)) })
      yield* settle
      const status = yield* kept.status
      assert.deepInclude(status._tag === "Waiting" ? status.reason : {}, { _tag: "ClosedByPeer", code: 4004 })
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("is interrupted, and not waited for, when the scope closes", () =>
    Effect.gen(function* () {
      yield* serve()
      const scope = yield* Scope.make()
      yield* Scope.extend(keep({ onConnect: () => Effect.uninterruptible(never) }), scope)
      yield* settle
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      assert.isFalse(yield* isRunning(closing))
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("may keep its connection alive with times that the server has said", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep({ onConnect: ({ keepAlive }) => keepAlive({ heartbeatInterval: "40 seconds" }) })
      yield* kept.ready
      yield* TestClock.adjust(19_999)
      assert.strictEqual(peers[0]?.pings, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(peers[0]?.pings, 1)
      yield* network.silence()
      // Twice the interval.
      yield* TestClock.adjust(79_999)
      assert.deepInclude(yield* kept.status, { _tag: "Ready" })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* kept.status, { _tag: "Waiting" })
    }).pipe(withRandom(0.5), Effect.provide(MemoryNetwork.layer()))
  )
})

describe("A heartbeat by messages", () => {
  const Out = Schema.Union(
    Schema.Struct({ op: Schema.Literal(1), last: Schema.Number }),
    Schema.Struct({ op: Schema.Literal(11) })
  )
  const In = Schema.Struct({ op: Schema.Number, text: Schema.optional(Schema.String) })
  const messages = Messages.make({ client: Out, server: In })

  it.scoped("is sent at each interval, made anew, and its answers are not among the messages", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(undefined, ({ transport }) => transport.send('{"op":11}'))
      const last = yield* Ref.make(0)
      const kept = yield* Connection.keep({
        url: "memory:",
        messages,
        heartbeat: {
          ping: () =>
            Effect.map(
              Ref.getAndUpdate(last, (n) => n + 1),
              (last) => ({ op: 1 as const, last })
            ),
          isPong: ({ op }) => op === 11
        }
      })
      const got = yield* collect(kept.messages)
      yield* kept.ready
      yield* TestClock.adjust(14_999)
      assert.deepStrictEqual(peers[0]?.got, [])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(
        peers[0]?.got,
        [0, 1, 2].map((last) => JSON.stringify({ op: 1, last }))
      )
      assert.deepStrictEqual(yield* got, [])
      assert.strictEqual((yield* kept.stats).connection?.roundTrip, 0)
    }).pipe(withRandom(0.5), Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("finds a server that leaves it unanswered at the read deadline", () =>
    Effect.gen(function* () {
      yield* serve()
      const kept = yield* Connection.keep({
        url: "memory:",
        messages,
        heartbeat: { ping: () => ({ op: 1, last: 0 }) as const, isPong: ({ op }) => op === 11 }
      })
      yield* kept.ready
      yield* TestClock.adjust(59_999)
      assert.deepInclude(yield* kept.status, { _tag: "Ready", suspect: true })
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* kept.status, { _tag: "Waiting" })
    }).pipe(withRandom(0.5), Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("of the server's is answered at once, whoever reads the messages", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => {
        transport.send('{"op":0,"text":"news"}')
        transport.send('{"op":1}')
      })
      const kept = yield* Connection.keep({
        url: "memory:",
        messages,
        heartbeat: { answer: ({ op }) => (op === 1 ? ({ op: 11 } as const) : undefined) }
      })
      yield* kept.ready
      yield* settle
      assert.deepStrictEqual(peers[0]?.got, ['{"op":11}'])
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(kept.messages, 1)))], [{ op: 0, text: "news" }])
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})

it.scoped("a server that pings by messages and does not read is not answered without end", () =>
  Effect.gen(function* () {
    const network = yield* Network
    const { peers } = yield* serve()
    const kept = yield* keep({
      highWaterMark: 10_000,
      heartbeat: { answer: (message) => (message === "ping" ? "pong".repeat(100) : undefined) }
    })
    yield* kept.ready
    yield* network.stall("server")
    for (let i = 0; i < 10_000; i++) peers[0]?.transport.send("ping")
    yield* settle
    assert.isBelow((yield* kept.stats).connection?.buffered ?? 0, 11_000)
    yield* network.release("server")
    yield* settle
    yield* kept.send("still here")
    yield* settle
    assert.strictEqual(peers[0]?.got.at(-1), "still here")
  }).pipe(Effect.provide(MemoryNetwork.layer()))
)

describe("Messages by Schema", () => {
  const messages = Messages.make({ client: Schema.Struct({ ask: Schema.String }), server: Schema.Number })

  it.scoped("are JSON texts, and one that does not decode is skipped", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => {
        for (const frame of ["1", '"two"', "{", new Uint8Array([51]), "4"]) transport.send(frame)
      })
      const kept = yield* Connection.keep({ url: "memory:", messages })
      yield* kept.send({ ask: "more" })
      yield* settle
      assert.deepStrictEqual(peers[0]?.got, ['{"ask":"more"}'])
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(kept.messages, 2)))], [1, 4])
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("end it where that was decided", () =>
    Effect.gen(function* () {
      yield* serve(({ transport }) => transport.send('{"token":"s3cret"'))
      const issues: Array<string> = []
      const kept = yield* Connection.keep({
        url: "memory:",
        messages,
        onInvalid: ({ issue }) =>
          Effect.sync(() => {
            issues.push(issue)
            return "End" as const
          })
      })
      const reason = yield* kept.ended
      assert.strictEqual(reason._tag, "Invalid")
      assert.deepStrictEqual(issues, ["not JSON"])
      const error = yield* Effect.flip(Stream.runDrain(kept.messages))
      assert.strictEqual(error._tag, "NotKept")
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("go on when onInvalid dies, which is logged", () =>
    Effect.gen(function* () {
      yield* serve(({ transport }) => {
        for (const frame of ["{", "4"]) transport.send(frame)
      })
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel.label} ${message}`))
      const kept = yield* Connection.keep({ url: "memory:", messages, onInvalid: () => Effect.die("a bug") }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(kept.messages, 1)))], [4])
      yield* settle
      assert.deepStrictEqual(
        logged.map((line) => line.split(" ")[0]),
        ["WARN", "ERROR"]
      )
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("that are too large, or no JSON, fail to be sent", () =>
    Effect.gen(function* () {
      yield* serve()
      const kept = yield* Connection.keep({ url: "memory:", messages, maxMessage: 100 })
      assert.strictEqual((yield* Effect.flip(kept.send({ ask: "x".repeat(100) })))._tag, "MessageTooLarge")
      const any = yield* Connection.keep({ url: "memory:", messages: Messages.json })
      assert.strictEqual((yield* Effect.flip(any.send(undefined)))._tag, "MessageInvalid")
      assert.strictEqual((yield* Effect.flip(any.send(1n)))._tag, "MessageInvalid")
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})

describe("A framing of the application's own", () => {
  /** Lines, however they are cut into frames. */
  const lines: Connection.Framing<string, string> = {
    encode: (line) => Either.right(`${line}\n`),
    decoder: () => {
      let rest = ""
      return (frame) => {
        const all = `${rest}${frame}`.split("\n")
        rest = all.pop() ?? ""
        return Either.right(all)
      }
    }
  }

  it.scoped("gives none, one or several messages for a frame, and forgets what the end of its connection cut off", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* Connection.keep({ url: "memory:", reconnect: slowly, framing: lines })
      const messages = yield* collect(kept.messages)
      yield* kept.send("hello")
      yield* settle
      assert.deepStrictEqual(peers[0]?.got, ["hello\n"])
      for (const part of ["a", "b\nc\nd", "e"]) peers[0]?.transport.send(part)
      yield* settle
      assert.deepStrictEqual(yield* messages, ["ab", "c"])
      yield* network.cut()
      yield* TestClock.adjust("1 second")
      peers[1]?.transport.send("f\n")
      yield* settle
      assert.deepStrictEqual(yield* messages, ["ab", "c", "f"])
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.effect("is none beside messages", () =>
    Effect.gen(function* () {
      const options = { url: "memory:", messages: Messages.json, framing: lines } as never
      assert.deepInclude(yield* Effect.flip(Effect.scoped(Connection.keep(options))), { option: "framing" })
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})

describe("A send while there is no connection", () => {
  it.scoped("waits for the next one, in order, and after what onConnect sends", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep({ onConnect: ({ send }) => send("subscribe") })
      yield* kept.ready
      yield* network.cut()
      yield* settle
      const sends = yield* Effect.fork(Effect.forEach(["1", "2"], kept.send, { discard: true }))
      const other = yield* Effect.fork(kept.send("3"))
      yield* settle
      assert.strictEqual((yield* kept.stats).waiting, 2)
      yield* TestClock.adjust("1 second")
      yield* kept.send("4")
      yield* Fiber.join(Fiber.zip(sends, other))
      yield* settle
      assert.deepStrictEqual(peers[1]?.got, ["subscribe", "1", "3", "2", "4"])
      assert.strictEqual((yield* kept.stats).waiting, 0)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("is not written when it is interrupted before", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { peers } = yield* serve()
      const kept = yield* keep()
      yield* kept.ready
      yield* network.cut()
      yield* settle
      const exit = yield* Effect.fork(Effect.timeoutOption(kept.send("late"), "500 millis"))
      yield* TestClock.adjust(500)
      assert.strictEqual((yield* Fiber.join(exit))._tag, "None")
      yield* TestClock.adjust("1 second")
      yield* kept.send("now")
      yield* settle
      assert.deepStrictEqual(peers[1]?.got, ["now"])
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("fails when as much waits as may", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* serve()
      const kept = yield* keep({ highWaterMark: 100 })
      yield* kept.ready
      yield* network.cut()
      yield* settle
      const first = yield* Effect.fork(kept.send("x".repeat(90)))
      yield* settle
      const error = yield* Effect.flip(kept.send("x".repeat(11)))
      assert.strictEqual(error._tag, "NotSent")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* kept.send("x".repeat(11))
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  for (const [whileAway, tag] of [
    ["fail", "NotSent"],
    ["drop", "nothing"]
  ] as const) {
    it.scoped(`${whileAway === "fail" ? "fails" : "is dropped"} where that was chosen`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { peers } = yield* serve()
        const kept = yield* keep({ whileAway })
        yield* kept.ready
        yield* network.cut()
        yield* settle
        const outcome = yield* Effect.match(kept.send("x"), {
          onFailure: ({ _tag }) => _tag,
          onSuccess: () => "nothing"
        })
        assert.strictEqual(outcome, tag)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(peers[1]?.got, [])
      }).pipe(Effect.provide(MemoryNetwork.layer()))
    )
  }
})

describe("The end of a connection that was kept", () => {
  it.scoped("follows an answer that a retry would meet again: ready, send and messages fail with NotKept", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Status", status: 403, body: "no" })
      const kept = yield* keep()
      const waiting = yield* Effect.fork(Effect.flip(kept.send("x")))
      yield* settle
      const status = yield* kept.status
      assert.deepInclude(status, { _tag: "Ended" })
      for (const failed of [kept.ready, kept.send("y"), Stream.runDrain(kept.messages)]) {
        const error = yield* Effect.flip<
          void | Connection.KeptReady,
          { readonly _tag: string; readonly message: string },
          never
        >(failed)
        assert.strictEqual(error._tag, "NotKept")
        assert.include(error.message, "403")
      }
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "NotKept")
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("is what the application's verdict says", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => transport.close(4004, "authentication failed"))
      const seen: Array<readonly [string, string]> = []
      const kept = yield* keep({
        verdict: (end, proposed) => {
          seen.push([end._tag, proposed._tag])
          return end._tag === "ClosedByPeer" && end.code === 4004 ? CloseCode.stop("NotAuthenticated") : proposed
        }
      })
      const reason = yield* kept.ended
      assert.deepInclude(reason, { _tag: "Stopped", verdict: { _tag: "Stop", why: "NotAuthenticated" } })
      assert.deepStrictEqual(seen, [["ClosedByPeer", "Resume"]])
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(peers, 1)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("does not follow a close code of the server's own", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => transport.close(4403, "whatever that means there"))
      yield* keep()
      yield* TestClock.adjust("1 second")
      assert.lengthOf(peers, 2)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("does not follow where the verdict is to go on", () =>
    Effect.gen(function* () {
      const { peers } = yield* serve(({ transport }) => transport.close(1008, "try a gain"))
      yield* keep({ verdict: () => CloseCode.resume("Lost") })
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(peers, 3)
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )

  it.scoped("follows when the policy gives up", () =>
    Effect.gen(function* () {
      const network = yield* Network
      yield* network.reach({ _tag: "Refused" })
      const kept = yield* keep({ reconnect: Schedule.intersect(slowly, Schedule.recurs(2)) })
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* kept.ended, { _tag: "GaveUp" })
    }).pipe(Effect.provide(MemoryNetwork.layer()))
  )
})

it("a connection that failed to be dialled can be retried by a policy", () => {
  const program = Effect.scoped(Connection.dial("ws://127.0.0.1:1/")).pipe(Effect.retry(Reconnect.exponential()))
  assert.isTrue(Effect.isEffect(program))
  assert.instanceOf(new ConnectionError.NotKept({ reason: "closed" }), Error)
})
