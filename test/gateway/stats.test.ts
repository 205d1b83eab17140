import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { Broker, Dialer, type Gateway } from "holdfast"
import { join, resumeOf } from "../support/peer.js"
import { lobby, makeGateway } from "../support/topics.js"
import { echoGateway, settle, World, withRandom } from "../support/virtual.js"

/** A client that answers pings only when it is told to, the latest or an older one. */
const silentPeer = Effect.gen(function* () {
  const dialer = yield* Dialer.Dialer
  const transport = yield* dialer.dial({
    url: "memory:",
    protocols: ["holdfast.v1.json"],
    maxFrame: 2 ** 20,
    closeTimeout: 1000
  })
  const pings: Array<Uint8Array> = []
  const ignore = () => {}
  transport.run({
    message: ignore,
    ping: (payload) => void pings.push(payload),
    pong: ignore,
    congested: ignore,
    drained: ignore,
    closed: ignore
  })
  transport.send(JSON.stringify({ type: "hello" }))
  yield* settle
  const pong = (payload: Uint8Array | undefined) =>
    Effect.zipRight(
      Effect.sync(() => payload !== undefined && transport.pong?.(payload)),
      settle
    )
  return { pings, pong, leave: Effect.sync(() => transport.destroy()) }
})

const missed = (gateway: Gateway.Gateway<unknown>) => Effect.map(gateway.stats, (stats) => stats.heartbeatsMissed)

describe("heartbeats missed", () => {
  const beating = { heartbeatInterval: "10 seconds", readDeadline: "5 minutes" } as const

  it.scoped("a ping is missed when it is unanswered as the next one is due, and not a millisecond before", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway(beating)
      // The first ping leaves after half an interval.
      yield* silentPeer
      yield* TestClock.adjust("14999 millis")
      assert.strictEqual(yield* missed(gateway), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* missed(gateway), 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* missed(gateway), 4)
      const [session] = yield* gateway.sessions
      assert.strictEqual((yield* session?.info ?? Effect.die("no session")).connection?.heartbeatsMissed, 4)
    }).pipe(withRandom(0.5), Effect.provide(World))
  )

  it.scoped("a ping that is answered in time is not missed; an answer to an older one is none", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway(beating)
      const { pings, pong } = yield* silentPeer
      yield* TestClock.adjust("14999 millis")
      yield* pong(pings[0])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* missed(gateway), 0)
      yield* TestClock.adjust("5 seconds")
      yield* pong(pings[0])
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(pings, 3)
      assert.strictEqual(yield* missed(gateway), 1)
    }).pipe(withRandom(0.5), Effect.provide(World))
  )

  it.scoped("what a connection missed is counted after it is gone", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway(beating)
      const { leave } = yield* silentPeer
      yield* TestClock.adjust("15 seconds")
      yield* leave
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* gateway.stats, { connections: 0, heartbeatsMissed: 1 })
    }).pipe(withRandom(0.5), Effect.provide(World))
  )
})

describe("a gateway's figures", () => {
  it.scoped("count the sessions that begin, are resumed, are reset with the reason, and end with theirs", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway({ resumeWindow: "1 minute" })
      const { peer, welcome } = yield* join()
      assert.deepInclude(yield* gateway.stats, { begun: 1, resumed: 0 })
      yield* peer.leave
      const again = yield* join(resumeOf(welcome))
      assert.deepInclude(yield* gateway.stats, { begun: 1, resumed: 1 })
      yield* again.peer.leave
      yield* TestClock.adjust("2 minutes")
      const expired = yield* join(resumeOf(again.welcome))
      const unknown = yield* join(resumeOf({ type: "welcome", session: "nobody", secret: "knows" }))
      yield* expired.peer.say({ type: "bye" })
      yield* gateway.disconnect({ session: String(unknown.welcome["session"]) })
      yield* settle
      const { begun, ended, reset, resumed } = yield* gateway.stats
      assert.deepStrictEqual({ begun, resumed }, { begun: 3, resumed: 1 })
      assert.deepStrictEqual(reset, { unknown: 1, expired: 1, overflow: 0, secret: 0, incomplete: 0, ended: 0 })
      const some = Object.entries(ended).filter(([, count]) => count > 0)
      assert.sameDeepMembers(some, [
        ["Expired", 1],
        ["Bye", 1],
        ["Ended", 1]
      ])
    }).pipe(Effect.provide(World))
  )

  it.scoped("count the messages of connections that are there and of those that are gone, once", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway()
      const talk = Effect.gen(function* () {
        const { peer } = yield* join()
        yield* peer.say({ type: "data", seq: 1, ack: 0, body: "hello" })
        yield* TestClock.adjust("1 second")
        return peer
      })
      const first = yield* talk
      yield* talk
      const before = yield* gateway.stats
      // Each has said hello and a message, and was sent a welcome, the message back, and an acknowledgement.
      assert.deepInclude(before, { messagesIn: 4, messagesOut: 6 })
      yield* first.leave
      yield* TestClock.adjust("10 seconds")
      const after = yield* gateway.stats
      assert.deepInclude(after, { connections: 1, messagesIn: 4, messagesOut: 6 })
    }).pipe(Effect.provide(World))
  )

  it.scoped("its node is the one that the store knows it by", () =>
    Effect.gen(function* () {
      const { gateway } = yield* echoGateway()
      yield* settle
      const nodes = yield* gateway.nodes
      assert.deepStrictEqual(
        nodes.map(({ address, id }) => ({ address, id })),
        [{ address: gateway.address, id: gateway.node }]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("its topics are those that connected sessions follow, with what was published since", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      yield* gateway.publish(lobby, 0)
      assert.deepStrictEqual(yield* gateway.topics, [])
      const subscribe = { type: "subscribe", id: 1, topic: lobby.name }
      const one = yield* join()
      yield* one.peer.say(subscribe)
      const two = yield* join()
      yield* two.peer.say(subscribe)
      const epoch = (yield* gateway.publish(lobby, 1)).epoch
      const expected = { name: lobby.name, position: { epoch, offset: 2 }, publications: 1 }
      assert.deepStrictEqual(yield* gateway.topics, [{ ...expected, subscribers: 2 }])
      yield* one.peer.leave
      assert.deepStrictEqual(yield* gateway.topics, [{ ...expected, subscribers: 1 }])
      yield* two.peer.leave
      assert.deepStrictEqual(yield* gateway.topics, [])
    }).pipe(Effect.provide(Layer.merge(World, Layer.effect(Broker.Broker, Broker.makeMemory()))))
  )
})
