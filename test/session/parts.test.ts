import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream, TestClock } from "effect"
import { Client, Codec, Gateway, Messages, type Options, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { PartWindow } from "../../src/session/large/partWindow.js"
import { PieceCutter } from "../../src/session/large/pieceCutter.js"
import { dial, join, resumeOf } from "../support/peer.js"
import { counted, cutting, kilobyte, large, leave, slowWay, timing } from "../support/slowWay.js"
import { isRunning, settle, World, withRandom } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const oneSecond = Reconnect.exponential({ jitter: false })
/** A gateway that keeps what it is sent, and says `word` to whoever says anything. */
const keeping = (options?: Options.All, word?: string) =>
  Effect.gen(function* () {
    const handled: Array<string> = []
    const gateway = yield* Gateway.make({
      ...timing,
      ...options,
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        Effect.suspend(() => {
          handled.push(String(message))
          return word === undefined ? Effect.void : session.send(word)
        })
    })
    return { gateway, handled }
  })

const clientOf = (options?: Partial<Client.ClientOptions<unknown, unknown>>) =>
  Client.make({ url: "memory:", messages: Messages.json, reconnect: oneSecond, ...timing, ...options })

describe("A large message", () => {
  for (const codec of [Codec.json, Codec.msgpack]) {
    it.scoped(`arrives once over a slow way that is cut every eight seconds, up: ${codec.subprotocol}`, () =>
      Effect.gen(function* () {
        const carried = yield* counted
        yield* slowWay
        const { handled } = yield* keeping()
        const client = yield* clientOf({ codec })
        const delivery = yield* Effect.fork(client.deliver(large))
        const seconds = yield* cutting(() => handled.length > 0)
        yield* TestClock.adjust(5000)
        assert.isBelow(seconds, 40)
        assert.deepStrictEqual(handled, [large])
        assert.isFalse(yield* isRunning(delivery))
        yield* Fiber.join(delivery)
        assert.isBelow(carried.client, 1.3 * Codec.byteLength(large))
      }).pipe(Effect.ensuring(leave), Effect.provide(World), withRandom(0.5))
    )

    it.scoped(`arrives once over a slow way that is cut every eight seconds, down: ${codec.subprotocol}`, () =>
      Effect.gen(function* () {
        const carried = yield* counted
        yield* slowWay
        yield* keeping({}, large)
        const client = yield* clientOf({ codec })
        const got: Array<unknown> = []
        yield* Effect.forkScoped(Stream.runForEach(client.messages, (message) => Effect.sync(() => got.push(message))))
        yield* client.send("please")
        const seconds = yield* cutting(() => got.length > 0)
        yield* TestClock.adjust(5000)
        assert.isBelow(seconds, 40)
        assert.deepStrictEqual(got, [large])
        assert.isBelow(carried.server, 1.3 * Codec.byteLength(large))
      }).pipe(Effect.ensuring(leave), Effect.provide(World), withRandom(0.5))
    )
  }

  it.scoped("is shown on its way, at either end", () =>
    Effect.gen(function* () {
      yield* slowWay
      const { handled } = yield* keeping()
      const client = yield* clientOf()
      yield* TestClock.adjust(1000)
      yield* client.send("small")
      yield* client.send(large)
      const bytes = Codec.byteLength(JSON.stringify(large))
      yield* TestClock.adjust(6000)
      const { receiving, sending } = yield* client.stats
      assert.isUndefined(receiving)
      assert.deepInclude(sending, { seq: 2, size: bytes })
      assert.isAtLeast(sending?.received ?? 0, 200 * kilobyte)
      assert.isBelow(sending?.received ?? 0, bytes)
      yield* TestClock.adjust(20_000)
      assert.lengthOf(handled, 2)
      assert.isUndefined((yield* client.stats).sending)
    }).pipe(Effect.ensuring(leave), Effect.provide(World), withRandom(0.5))
  )

  it.scoped("holds up nothing but the messages behind it", () =>
    Effect.gen(function* () {
      yield* slowWay
      const { gateway, handled } = yield* keeping({}, "word")
      const client = yield* clientOf()
      yield* TestClock.adjust(1000)
      const { session } = yield* client.ready
      yield* client.send(large)
      yield* client.send("behind")
      yield* TestClock.adjust(9000)
      const [info] = yield* Effect.forEach(yield* gateway.sessions, ({ info }) => info)
      assert.strictEqual(info?.id, session)
      // Its pings and pongs pass between the parts.
      assert.isAtLeast(info?.connection?.roundTrip ?? -1, 0)
      assert.isBelow((yield* client.stats).connection?.roundTrip ?? Number.POSITIVE_INFINITY, 3000)
      assert.isEmpty(handled)
      yield* TestClock.adjust(20_000)
      assert.deepStrictEqual(handled, [large, "behind"])
    }).pipe(Effect.ensuring(leave), Effect.provide(World), withRandom(0.5))
  )

  it.scoped("is not taken back once a part of it was written", () =>
    Effect.gen(function* () {
      yield* slowWay
      const { handled } = yield* keeping()
      const client = yield* clientOf()
      yield* TestClock.adjust(1000)
      const delivery = yield* Effect.fork(client.deliver(large))
      yield* TestClock.adjust(2000)
      yield* Fiber.interrupt(delivery)
      yield* client.send("next")
      yield* TestClock.adjust(30_000)
      assert.deepStrictEqual(handled, [large, "next"])
    }).pipe(Effect.ensuring(leave), Effect.provide(World), withRandom(0.5))
  )

  it.scoped("leaves whole to a server that knows no parts", () =>
    Effect.gen(function* () {
      const sent: Array<string> = []
      const network = yield* Network
      yield* network.onLink((link) => {
        const say = link.client.send.bind(link.client)
        const answer = link.server.send.bind(link.server)
        Object.assign(link.client, {
          send: (frame: string) => {
            sent.push(frame)
            say(frame)
          }
        })
        Object.assign(link.server, {
          send: (frame: string) => {
            const isWelcome = frame.startsWith('{"type":"welcome"')
            answer(isWelcome ? JSON.stringify({ ...JSON.parse(frame), features: [] }) : frame)
          }
        })
      })
      const { handled } = yield* keeping()
      const client = yield* clientOf()
      yield* client.deliver(large)
      assert.deepStrictEqual(handled, [large])
      assert.strictEqual(sent.filter((frame) => frame.includes('"data"')).length, 1)
    }).pipe(Effect.ensuring(leave), Effect.provide(World))
  )
})

describe("What was received", () => {
  it.scoped("is not sent again, though it was not processed", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const gate = yield* Deferred.make<void>()
      const handled: Array<unknown> = []
      yield* Gateway.make({
        messages: Messages.json,
        authenticate: Gateway.anonymous,
        onMessage: (message) =>
          Effect.zipRight(
            Deferred.await(gate),
            Effect.sync(() => void handled.push(message))
          )
      })
      const client = yield* clientOf()
      yield* client.ready
      for (let i = 0; i < 5; i++) yield* client.send(i)
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(2000)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(1000)
      const { acknowledged, replayed } = yield* client.stats
      assert.deepStrictEqual(handled, [0, 1, 2, 3, 4])
      assert.deepStrictEqual({ acknowledged, replayed }, { acknowledged: 5, replayed: 0 })
    }).pipe(Effect.ensuring(leave), Effect.provide(World))
  )
})

describe("The window of parts", () => {
  const sender = () => {
    const clock = { now: 0 }
    const parts = new PartWindow(64 * 1024, () => clock.now)
    let at = 0
    /** Writes what there is room for. */
    const fill = () => {
      let count = 0
      while (parts.hasRoom) {
        const until = at + parts.size
        parts.wrote(parts.size, ({ bytes }) => bytes >= until)
        at = until
        count++
      }
      return count
    }
    const answer = (bytes: number) => parts.answered({ seq: 0, bytes })
    return { clock, parts, fill, answer, written: () => at }
  }

  it("is two parts at first", () => {
    const { fill } = sender()
    assert.strictEqual(fill(), 2)
    assert.strictEqual(fill(), 0)
  })

  it("grows by each that is answered within a second", () => {
    const { answer, clock, fill } = sender()
    fill()
    clock.now = 100
    answer(64 * 1024)
    assert.strictEqual(fill(), 2)
    answer(128 * 1024)
    assert.strictEqual(fill(), 2)
  })

  it("is what the way carries in a second where an answer takes longer", () => {
    const { answer, clock, fill, written } = sender()
    fill()
    clock.now = 2000
    answer(64 * 1024)
    // It may be that long: nothing was ever answered sooner.
    assert.strictEqual(fill(), 1)
    clock.now = 4000
    answer(128 * 1024)
    assert.strictEqual(fill(), 0)
    clock.now = 6000
    answer(192 * 1024)
    // 32 KiB a second.
    const before = written()
    assert.strictEqual(fill(), 2)
    assert.strictEqual(written() - before, 32 * 1024)
  })

  it("is one part on a later connection, until that is answered", () => {
    const { answer, fill, parts } = sender()
    fill()
    parts.restart()
    assert.strictEqual(fill(), 1)
    answer(192 * 1024)
    assert.strictEqual(fill(), 3)
  })

  it("is not made smaller by a way that is long, and not slow", () => {
    const { answer, clock, fill } = sender()
    let answered = 0
    for (let turn = 0; turn < 20; turn++) {
      assert.strictEqual(fill(), 2)
      clock.now += 1500
      answered += 128 * 1024
      answer(answered)
    }
  })

  it("takes one answer for all before it", () => {
    const { answer, fill } = sender()
    fill()
    answer(128 * 1024)
    assert.strictEqual(fill(), 4)
  })
})

describe("A text", () => {
  it("is cut between characters, wherever that goes on", () => {
    const text = "aé€😀".repeat(20_000)
    const bytes = Buffer.from(text)
    const cutter = new PieceCutter()
    const most = 4097
    let at = 0
    let joined = ""
    while (at < bytes.length) {
      const cut = cutter.cut(text, at, most)
      assert.isDefined(cut)
      joined += String(cut?.piece)
      at = cut?.until ?? Number.POSITIVE_INFINITY
      assert.strictEqual(at, Buffer.byteLength(joined))
    }
    assert.strictEqual(joined, text)
    assert.isUndefined(cutter.cut(text, 2, most), "in the middle of one")
    assert.strictEqual(String(cutter.cut(text, 3, most)?.piece).slice(0, 3), "€😀")
  })
})

describe("Parts that are wrong", () => {
  const piece = "y".repeat(2000)
  const part = (fields: object, text = piece) =>
    `${JSON.stringify({ type: "part", seq: 1, ack: 0, ...fields })}\n${text}`

  const wrong: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    ["overlap", [part({ at: 0, of: 9000 }), part({ at: 1000, of: 9000 })], "begins at 1000, 2000 was expected"],
    ["leave a gap", [part({ at: 0, of: 9000 }), part({ at: 3000, of: 9000 })], "begins at 3000, 2000 was expected"],
    ["begin in the middle", [part({ at: 2000, of: 9000 })], "begins at 2000, 0 was expected"],
    ["go beyond what was said", [part({ at: 0, of: 1500 })], "ends at 2000, and the message has 1500 bytes"],
    ["change what was said", [part({ at: 0, of: 9000 }), part({ at: 2000, of: 9001 })], "the first one was of 9000"],
    ["are of a later message", [part({ seq: 2, at: 0, of: 9000 })], "gap: message 2 came, 1 was expected"],
    ["are too small", [part({ at: 0, of: 9000 }, "y".repeat(1023))], "the least is 1024"],
    ["are too large", [part({ at: 0, of: 200_000 }, "y".repeat(65_537))], "the limit is 65536"],
    ["are of too large a message", [part({ at: 0, of: 2_000_000 })], "a body of 2000000 bytes"],
    ["make no JSON", [part({ at: 0, of: 2000 })], "the message is not JSON"],
    ["acknowledge what was not sent", [part({ at: 0, of: 9000, ack: 7 })], "ack 7"],
    [
      "are no body",
      [part({ at: 0, of: 2000 }, `0,"type":"ack","ack":0,"x":"${"y".repeat(1971)}"`)],
      "parts that are no body"
    ],
    ["are fields", [JSON.stringify({ type: "part", seq: 1, ack: 0, at: 0, of: 2000, piece })], "the piece follows"],
    ["have a long line", [part({ at: 0, of: 9000, more: "z".repeat(1024) })], "the message is not JSON"],
    ["lack a field", [`{"type":"part","seq":1,"ack":0,"at":0}\n${piece}`], "part: of is not a size"],
    ["are answered before they were sent", ['{"type":"received","seq":3,"bytes":0}'], "were not sent"]
  ]
  for (const [how, frames, reason] of wrong) {
    it.scoped(`end the connection when they ${how}`, () =>
      Effect.gen(function* () {
        yield* keeping()
        const peer = yield* dial
        yield* peer.say({ type: "hello", features: ["parts"] })
        for (const frame of frames) yield* peer.sayFrame(frame)
        assert.include(peer.closed()?.reason, reason)
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("are those of one who has not said that it knows them", () =>
    Effect.gen(function* () {
      yield* keeping()
      const peer = yield* dial
      yield* peer.say({ type: "hello" })
      yield* peer.sayFrame(part({ at: 0, of: 9000 }))
      assert.include(peer.closed()?.reason, "this end takes none")
    }).pipe(Effect.provide(World))
  )

  it.scoped("begin a message anew with the first", () =>
    Effect.gen(function* () {
      const { handled } = yield* keeping()
      const peer = yield* dial
      yield* peer.say({ type: "hello", features: ["parts"] })
      yield* peer.sayFrame(part({ at: 0, of: 9000 }))
      yield* peer.sayFrame(part({ at: 0, of: 2002 }, `"${piece.slice(1)}`))
      yield* peer.sayFrame(part({ at: 2000, of: 2002 }, 'z"'))
      assert.deepStrictEqual(handled, [`${piece.slice(1)}z`])
      assert.deepStrictEqual(
        peer.said("received").map(({ bytes, seq }) => [seq, bytes]),
        [
          [0, 2000],
          [0, 2000],
          [1, 0]
        ]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("are forgotten when their message comes whole", () =>
    Effect.gen(function* () {
      const { handled } = yield* keeping({ maxMessage: 9000, maxUnfinished: 9000 })
      const [one, other] = yield* Effect.all([join({ features: ["parts"] }), join({ features: ["parts"] })])
      const big = "y".repeat(8000)
      yield* one.peer.sayFrame(part({ at: 0, of: 9000 }, big))
      yield* one.peer.say({ type: "data", seq: 1, ack: 0, body: "whole" })
      yield* other.peer.sayFrame(part({ at: 0, of: 9000 }, big))
      assert.deepStrictEqual(handled, ["whole"])
      assert.isUndefined(other.peer.closed())
    }).pipe(Effect.provide(World))
  )

  it.scoped("cost no more to read than their bytes, whatever they look like", () =>
    Effect.sync(() => {
      const line = `{${'"type":"part",'.repeat(70_000)}\n`
      const before = process.cpuUsage()
      assert.strictEqual(Codec.json.decode(line).type, "malformed")
      const { system, user } = process.cpuUsage(before)
      assert.isBelow(system + user, 500_000, "µs")
    })
  )

  it.scoped("give way while their client is away, the longest away first, and none is taken beyond the bound", () =>
    Effect.gen(function* () {
      yield* keeping({ maxMessage: 9000, maxUnfinished: 9000 })
      const open = join({ features: ["parts"] })
      const resumed = ({ welcome }: Effect.Effect.Success<typeof open>) =>
        Effect.gen(function* () {
          const { resume } = resumeOf(welcome)
          const back = yield* join({ features: ["parts"], resume: { ...resume, received: { seq: 0, bytes: 0 } } })
          return back.welcome.received
        })
      const [one, other, third] = yield* Effect.all([open, open, open])
      const big = "y".repeat(4000)
      yield* one.peer.sayFrame(part({ at: 0, of: 9000 }, big))
      yield* other.peer.sayFrame(part({ at: 0, of: 9000 }, big))
      yield* one.peer.leave
      yield* third.peer.sayFrame(part({ at: 0, of: 9000 }, big))
      assert.isUndefined(third.peer.closed())
      assert.deepStrictEqual(yield* resumed(one), { seq: 0, bytes: 0 })
      yield* third.peer.sayFrame(part({ at: 4000, of: 9000 }, big))
      assert.deepInclude(third.peer.closed(), { code: 4429 })
      assert.lengthOf(third.peer.said("goaway"), 1)
      assert.deepStrictEqual(yield* resumed(third), { seq: 0, bytes: 0 })
      yield* other.peer.leave
      assert.deepStrictEqual(yield* resumed(other), { seq: 0, bytes: 4000 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("give way to others when nothing has followed for a read deadline, and not while it does", () =>
    Effect.gen(function* () {
      yield* keeping({ maxMessage: 9000, maxUnfinished: 9000 })
      const open = join({ features: ["parts"] })
      const [one, other] = yield* Effect.all([open, open])
      const both = [one, other]
      const alive = (millis: number) =>
        Effect.gen(function* () {
          yield* TestClock.adjust(millis)
          for (const { peer } of both) yield* peer.say({ type: "ping", id: 1 })
        })
      yield* one.peer.sayFrame(part({ at: 0, of: 9000 }, "y".repeat(4000)))
      yield* alive(5000)
      yield* one.peer.sayFrame(part({ at: 4000, of: 9000 }, "y".repeat(2000)))
      yield* alive(5999)
      yield* other.peer.sayFrame(part({ at: 0, of: 5000 }, "y".repeat(4999)))
      assert.deepInclude(other.peer.closed(), { code: 4429 })
      assert.isUndefined(one.peer.closed())
      const third = yield* open
      yield* TestClock.adjust(1)
      yield* third.peer.sayFrame(part({ at: 0, of: 5000 }, "y".repeat(4999)))
      assert.isUndefined(third.peer.closed())
      assert.deepInclude(one.peer.closed(), { code: 4429 })
      assert.lengthOf(one.peer.said("goaway"), 1)
    }).pipe(Effect.provide(World))
  )
})
