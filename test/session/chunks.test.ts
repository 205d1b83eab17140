/** Large publications, either way: in chunks, over ways that are slow and cut. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { type Client, Codec, Gateway, Messages, type Options } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { dial, join, resumeOf } from "../support/peer.js"
import { counted, cutting, kilobyte, large, leave, slowWay, timing } from "../support/slowWay.js"
import {
  Any,
  connect,
  follow,
  lobby,
  logged,
  Room,
  rooms,
  subscriptions,
  TopicWorld,
  values
} from "../support/topics.js"
import { isRunning, settle, withRandom } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const big = Any.at({ name: "big" })
const other = Any.at({ name: "other" })

const gatewayOf = (options?: Options.All, policy?: "disconnect" | "dropOldest" | "latest") =>
  Gateway.make({
    ...timing,
    ...options,
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    onMessage: () => Effect.void,
    topics: [
      rooms(),
      Gateway.topic(Any, {
        subscribe: Gateway.allow,
        publish: Gateway.allow,
        ...(policy === undefined ? {} : { policy })
      })
    ]
  })

const clientOf = (options?: Partial<Client.ClientOptions<unknown, unknown>>) => connect({ ...timing, ...options })

const ofType = (frames: ReadonlyArray<string>, type: string) =>
  frames.filter((frame) => frame.startsWith(`{"type":"${type}"`))

describe("A large publication", () => {
  for (const codec of [Codec.json, Codec.msgpack]) {
    it.scoped(`arrives once over a slow way that is cut every eight seconds, up: ${codec.subprotocol}`, () =>
      Effect.gen(function* () {
        const carried = yield* counted
        yield* gatewayOf()
        const client = yield* clientOf({ codec })
        yield* slowWay
        const publishing = yield* Effect.fork(client.publish(big, large))
        let isDone = false
        yield* Effect.forkScoped(
          Effect.zipRight(
            Fiber.await(publishing),
            Effect.sync(() => (isDone = true))
          )
        )
        const seconds = yield* cutting(() => isDone)
        assert.isBelow(seconds, 40)
        assert.strictEqual((yield* Fiber.join(publishing)).offset, 1)
        assert.deepStrictEqual(yield* logged(big.name), [large])
        assert.isBelow(carried.client, 1.3 * Codec.byteLength(large))
      }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
    )

    for (const when of ["as it is published", "recovered"] as const) {
      it.scoped(`arrives once over a slow way that is cut every eight seconds, ${when}: ${codec.subprotocol}`, () =>
        Effect.gen(function* () {
          const carried = yield* counted
          const gateway = yield* gatewayOf()
          const client = yield* clientOf({ codec })
          if (when === "recovered") yield* gateway.publish(big, large)
          yield* slowWay
          const got = yield* follow(client.subscribe(big, { since: "oldest" }))
          yield* TestClock.adjust(1000)
          if (when !== "recovered") yield* gateway.publish(big, large)
          yield* gateway.publish(big, "behind")
          const seconds = yield* cutting(() => got.seen.length > 1)
          assert.isBelow(seconds, 40)
          assert.deepStrictEqual(values(got), [large, "behind"])
          assert.isBelow(carried.server, 1.3 * Codec.byteLength(large))
        }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
      )
    }
  }

  it.scoped("holds up only what is published to the same topic after it", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      const numbers = yield* follow(client.subscribe(lobby))
      yield* slowWay
      yield* gateway.publish(big, large)
      yield* gateway.publish(big, "behind")
      for (let second = 0; second < 8; second++) {
        yield* gateway.publish(lobby, second)
        yield* TestClock.adjust(1000)
        // At most two seconds late.
        assert.isAtLeast(values(numbers).length, second - 1)
      }
      assert.isEmpty(bigs.seen)
      yield* TestClock.adjust(15_000)
      assert.deepStrictEqual(values(bigs), [large, "behind"])
      assert.deepStrictEqual(values(numbers), [0, 1, 2, 3, 4, 5, 6, 7])
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("holds up only what its client publishes to the same topic after it, and other large ones", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      yield* slowWay
      const publish = (to: typeof big, value: unknown) => Effect.fork(client.publish(to, value))
      const held = [
        yield* publish(big, large),
        yield* publish(big, "behind"),
        yield* publish(other, large),
        yield* publish(other, "behind")
      ]
      yield* Effect.fork(client.publish(lobby, 1))
      yield* TestClock.adjust(1000)
      const numbers = yield* follow(client.subscribe(lobby))
      yield* TestClock.adjust(4000)
      assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
      assert.isUndefined(numbers.end())
      assert.deepStrictEqual(yield* logged(), [1])
      for (const delivery of held) assert.isTrue(yield* isRunning(delivery))
      yield* TestClock.adjust(40_000)
      for (const delivery of held) assert.isFalse(yield* isRunning(delivery))
      assert.deepStrictEqual(yield* logged(big.name), [large, "behind"])
      assert.deepStrictEqual(yield* logged(other.name), [large, "behind"])
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("that is given up in the middle is not published, and makes way", () =>
    Effect.gen(function* () {
      yield* gatewayOf()
      const client = yield* clientOf()
      yield* slowWay
      const first = yield* Effect.fork(client.publish(big, large))
      const second = yield* Effect.fork(client.publish(big, "behind"))
      const third = yield* Effect.fork(client.publish(other, large))
      yield* TestClock.adjust(5000)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(5000)
      assert.isFalse(yield* isRunning(second))
      yield* TestClock.adjust(20_000)
      assert.isFalse(yield* isRunning(third))
      assert.deepStrictEqual(yield* logged(big.name), ["behind"])
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("of one topic waits for that of another, and each comes whole", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      const others = yield* follow(client.subscribe(other))
      yield* slowWay
      yield* gateway.publish(big, large)
      yield* gateway.publish(other, large)
      yield* gateway.publish(big, "behind")
      yield* cutting(() => bigs.seen.length > 1 && others.seen.length > 0)
      assert.deepStrictEqual(values(bigs), [large, "behind"])
      assert.deepStrictEqual(values(others), [large])
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("stops when its subscription does, and leaves the way to others", () =>
    Effect.gen(function* () {
      const carried = yield* counted
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      const others = yield* follow(client.subscribe(other))
      yield* slowWay
      yield* gateway.publish(big, large)
      yield* gateway.publish(other, large)
      yield* TestClock.adjust(5000)
      yield* bigs.stop
      yield* TestClock.adjust(25_000)
      assert.deepStrictEqual(values(others), [large])
      assert.isEmpty(bigs.seen)
      assert.isBelow(carried.server, 1.6 * Codec.byteLength(large))
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  for (const policy of ["dropOldest", "latest"] as const) {
    it.scoped(`comes whole where those behind it may be skipped: ${policy}`, () =>
      Effect.gen(function* () {
        const gateway = yield* gatewayOf({ queueMessages: 2 }, policy)
        const client = yield* clientOf()
        const bigs = yield* follow(client.subscribe(big))
        yield* slowWay
        yield* gateway.publish(big, large)
        for (let i = 0; i < 5; i++) yield* gateway.publish(big, i)
        yield* TestClock.adjust(30_000)
        assert.deepStrictEqual(values(bigs), policy === "latest" ? [large, 4] : [large, 3, 4])
      }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
    )
  }

  it.scoped("is no backlog while it leaves: those behind it may wait", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf({ queueBytes: 10_000 })
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      yield* slowWay
      yield* gateway.publish(big, large)
      for (let i = 0; i < 5; i++) yield* gateway.publish(big, i)
      yield* TestClock.adjust(30_000)
      assert.deepStrictEqual(values(bigs), [large, 0, 1, 2, 3, 4])
      assert.strictEqual((yield* client.stats).replayed, 0)
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("is shown on its way, at either end", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      yield* follow(client.subscribe(big))
      yield* slowWay
      yield* Effect.fork(client.publish(other, large, { key: "k" }))
      yield* gateway.publish(big, large)
      yield* TestClock.adjust(6000)
      const { publishing, receivingPublication } = yield* client.stats
      const bytes = Codec.byteLength(JSON.stringify(large))
      assert.strictEqual(publishing?.key, "k")
      for (const { received = 0, size = 0 } of [publishing ?? {}, receivingPublication ?? {}]) {
        assert.isAtLeast(received, 200 * kilobyte)
        assert.isBelow(received, bytes)
        assert.isAtLeast(size, bytes)
        assert.isBelow(size, bytes + 200)
      }
      yield* TestClock.adjust(20_000)
      const after = yield* client.stats
      assert.isUndefined(after.publishing ?? after.receivingPublication)
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("goes on where it was, though it has to wait for the server's rates", () =>
    Effect.gen(function* () {
      const carried = yield* counted
      const network = yield* Network
      yield* gatewayOf({ byteRate: 50 * kilobyte })
      const client = yield* clientOf()
      const publishing = yield* Effect.fork(client.publish(big, large))
      yield* TestClock.adjust(3000)
      for (let cut = 0; cut < 3; cut++) {
        yield* network.cut()
        yield* TestClock.adjust(3000)
      }
      yield* TestClock.adjust(30_000)
      yield* Fiber.join(publishing)
      assert.isBelow(carried.client, 1.3 * Codec.byteLength(large))
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("and a large message share the way, and both arrive", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      const messages = yield* follow(client.messages)
      yield* slowWay
      const [session] = yield* gateway.sessions
      yield* session?.send(large) ?? Effect.void
      yield* gateway.publish(big, large)
      yield* TestClock.adjust(24_000)
      // Neither had to wait for the other to be whole.
      assert.isEmpty([...bigs.seen, ...messages.seen])
      yield* TestClock.adjust(16_000)
      assert.deepStrictEqual(values(bigs), [large])
      assert.deepStrictEqual(messages.seen, [large])
    }).pipe(Effect.ensuring(leave), Effect.provide(TopicWorld), withRandom(0.5))
  )

  it.scoped("leaves whole to an end that knows no chunks", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const frames: Array<string> = []
      yield* network.onLink((link) => {
        const say = link.client.send.bind(link.client)
        const answer = link.server.send.bind(link.server)
        const without = (frame: string, type: string) =>
          frame.startsWith(`{"type":"${type}"`) ? JSON.stringify({ ...JSON.parse(frame), features: [] }) : frame
        const keep = (frame: string) => {
          frames.push(frame)
          return frame
        }
        Object.assign(link.client, { send: (frame: string) => say(keep(without(frame, "hello"))) })
        Object.assign(link.server, { send: (frame: string) => answer(keep(without(frame, "welcome"))) })
      })
      yield* gatewayOf()
      const client = yield* clientOf()
      const bigs = yield* follow(client.subscribe(big))
      yield* client.publish(big, large)
      yield* settle
      assert.deepStrictEqual(values(bigs), [large])
      assert.lengthOf(ofType(frames, "publish"), 1)
      assert.isEmpty(ofType(frames, "chunk"))
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("Chunks that are wrong", () => {
  const piece = "y".repeat(2000)
  const chunk = (fields: object, text = piece) => `${JSON.stringify({ type: "chunk", name: "a", ...fields })}\n${text}`

  const wrong: ReadonlyArray<readonly [string, ReadonlyArray<string>, string]> = [
    ["overlap", [chunk({ at: 0, of: 9000 }), chunk({ at: 1000, of: 9000 })], "from byte 1000 on"],
    ["leave a gap", [chunk({ at: 0, of: 9000 }), chunk({ at: 3000, of: 9000 })], "from byte 3000 on"],
    ["begin in the middle", [chunk({ at: 2000, of: 9000 })], "from byte 2000 on"],
    ["change their name", [chunk({ at: 0, of: 9000 }), chunk({ name: "b", at: 2000, of: 9000 })], "from byte 2000 on"],
    ["change what was said", [chunk({ at: 0, of: 9000 }), chunk({ at: 2000, of: 9001 })], "from byte 2000 on"],
    ["go beyond what was said", [chunk({ at: 0, of: 1500 })], "goes beyond"],
    ["are too small", [chunk({ at: 0, of: 9000 }, "y".repeat(1023))], "the least is 1024"],
    ["are too large", [chunk({ at: 0, of: 200_000 }, "y".repeat(65_537))], "the limit is 65536"],
    ["are of too large a message", [chunk({ at: 0, of: 2_000_000 })], "2000000 bytes"],
    ["make no JSON", [chunk({ at: 0, of: 2000 })], "the message is not JSON"],
    ["are fields", [JSON.stringify({ type: "chunk", name: "a", at: 0, of: 2000, piece })], "the piece follows"],
    ["lack a name", [`{"type":"chunk","at":0,"of":9000}\n${piece}`], "name is not one"],
    ["have too long a name", [chunk({ name: "n".repeat(513), at: 0, of: 9000 })], "name is not one"],
    [
      "are of a message that does not travel so",
      [chunk({ at: 0, of: 2000 }, `${'{"type":"data","seq":1,"ack":0,"body":"'.padEnd(1998, "y")}"}`)],
      "data in chunks"
    ],
    [
      "are of chunks",
      [chunk({ at: 0, of: 2000 }, `{"type":"chunk","name":"b","at":0,"of":1500}\n`.padEnd(2000, "y"))],
      "chunk in chunks"
    ]
  ]
  for (const [how, frames, reason] of wrong) {
    it.scoped(`end the connection when they ${how}`, () =>
      Effect.gen(function* () {
        yield* gatewayOf()
        const peer = yield* dial
        yield* peer.say({ type: "hello", features: ["chunks"] })
        for (const frame of frames) yield* peer.sayFrame(frame)
        assert.include(peer.closed()?.reason, reason)
      }).pipe(Effect.provide(TopicWorld))
    )
  }

  it.scoped("are those of one who has not said that it knows them", () =>
    Effect.gen(function* () {
      yield* gatewayOf()
      const peer = yield* dial
      yield* peer.say({ type: "hello", features: ["parts"] })
      yield* peer.sayFrame(chunk({ at: 0, of: 9000 }))
      assert.include(peer.closed()?.reason, "this end takes none")
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("make room for the message that is begun after them", () =>
    Effect.gen(function* () {
      yield* gatewayOf({ maxMessage: 9000, maxUnfinished: 9000 })
      const { peer } = yield* join({ features: ["chunks"] })
      const body = "z".repeat(4000)
      const publish = `{"type":"publish","id":1,"topic":"any/big","key":"k","body":"${body}"}`
      yield* peer.sayFrame(chunk({ at: 0, of: 9000 }, "y".repeat(8000)))
      yield* peer.sayFrame(chunk({ name: "b", at: 0, of: publish.length }, publish.slice(0, 2000)))
      yield* peer.sayFrame(chunk({ name: "b", at: 2000, of: publish.length }, publish.slice(2000)))
      assert.isUndefined(peer.closed())
      assert.lengthOf(peer.said("published"), 1)
      assert.deepStrictEqual(yield* logged("any/big"), [body])
      assert.deepStrictEqual(
        peer.said("chunk-received").map(({ bytes, name }) => [name, bytes]),
        [
          ["a", 8000],
          ["b", 2000],
          ["b", publish.length]
        ]
      )
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("are told on a resume, give way while their client is away, and none is taken beyond the bound", () =>
    Effect.gen(function* () {
      yield* gatewayOf({ maxMessage: 9000, maxUnfinished: 9000 })
      const open = join({ features: ["chunks"] })
      const resumed = ({ welcome }: Effect.Effect.Success<typeof open>) =>
        Effect.map(join({ features: ["chunks"], ...resumeOf(welcome) }), (back) => back.welcome.unfinished)
      const [one, two, three] = yield* Effect.all([open, open, open])
      const bytes = "y".repeat(4000)
      yield* one.peer.sayFrame(chunk({ at: 0, of: 9000 }, bytes))
      yield* two.peer.sayFrame(chunk({ at: 0, of: 9000 }, bytes))
      yield* one.peer.leave
      yield* three.peer.sayFrame(chunk({ at: 0, of: 9000 }, bytes))
      assert.isUndefined(three.peer.closed())
      assert.isUndefined(yield* resumed(one))
      yield* three.peer.sayFrame(chunk({ at: 4000, of: 9000 }, bytes))
      assert.deepInclude(three.peer.closed(), { code: 4429 })
      assert.isUndefined(yield* resumed(three))
      yield* two.peer.leave
      assert.deepStrictEqual(yield* resumed(two), { name: "a", of: 9000, bytes: 4000 })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("that left on a connection are not those that a client has which comes on another one meanwhile", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      const { peer, welcome } = yield* join({ features: ["chunks"] })
      yield* peer.say({ type: "subscribe", id: 1, topic: big.name })
      yield* gateway.publish(big, large)
      yield* settle
      assert.lengthOf(peer.said("chunk"), 2)
      const again = yield* join({ features: ["chunks"], ...resumeOf(welcome) })
      assert.isTrue(again.welcome.resumed)
      yield* again.peer.say({ type: "subscribe", id: 2, topic: big.name, since: "oldest" })
      assert.deepInclude(again.peer.said("chunk")[0], { at: 0 })
    }).pipe(Effect.provide(TopicWorld))
  )

  it.scoped("may be said to be here by a client that has none of them", () =>
    Effect.gen(function* () {
      const gateway = yield* gatewayOf()
      let { peer, welcome } = yield* join({ features: ["chunks"] })
      const position = yield* gateway.publish(big, large)
      const name = `${position.epoch}/${position.offset}/${big.name}`
      const frame = Codec.json.publication(big.name, position, JSON.stringify(large))
      const of = Codec.byteLength(frame)
      for (const unfinished of [
        { name, of, bytes: of + 1 },
        { name, of, bytes: of },
        // In the middle of a character.
        { name, of, bytes: Buffer.from(String(frame)).indexOf("é") + 1 },
        { name, of: of + 1, bytes: 20 },
        { name: "another", of, bytes: 20 }
      ]) {
        yield* peer.leave
        const { resume } = resumeOf(welcome)
        ;({ peer, welcome } = yield* join({ features: ["chunks"], resume: { ...resume, unfinished } }))
        assert.isTrue(welcome.resumed)
        yield* peer.say({ type: "subscribe", id: 1, topic: big.name, since: "oldest" })
        assert.deepInclude(peer.said("chunk")[0], { name, at: 0, of })
      }
    }).pipe(Effect.provide(TopicWorld))
  )
})

describe("What a topic takes", () => {
  it.scoped("is asked of a publication that came in chunks", () =>
    Effect.gen(function* () {
      yield* gatewayOf()
      const client = yield* clientOf()
      const refused = yield* Effect.flip(client.publish(Room.at({ room: "lobby" }), Number.NaN))
      assert.strictEqual(refused._tag, "MessageInvalid")
      const { peer } = yield* join({ features: ["chunks"] })
      const publish = `{"type":"publish","id":1,"topic":"rooms/lobby","key":"k","body":"${"z".repeat(4000)}"}`
      yield* peer.sayFrame(`${JSON.stringify({ type: "chunk", name: "k", at: 0, of: publish.length })}\n${publish}`)
      assert.deepInclude(peer.said("error")[0], { id: 1, code: "invalid-publication" })
    }).pipe(Effect.provide(TopicWorld))
  )
})
