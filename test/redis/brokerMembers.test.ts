import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { eventually, lateness } from "../support/patience.js"
import { Ears, type Node, node, patiently, told, until } from "./brokerSupport.js"
import { describeWithRedis } from "./gate.js"
import { redisServer } from "./server.js"

const ann = { session: "a", principal: "ann" }
const bob = { session: "b", principal: "bob" }

const lease = 1500
const options = { lease, keyWindow: 1000, checkInterval: 30_000, topicTtl: 60_000 }

const there = ({ broker }: Node) =>
  Effect.map(patiently(broker.members("room", "presence")), ({ members }) =>
    members.map(({ principal }) => principal).sort()
  )

const areThere = (one: Node, expected: ReadonlyArray<string>) =>
  eventually(
    `${expected.length === 0 ? "nobody" : expected.join()} to be there`,
    Effect.map(there(one), (members) => members.join() === expected.join())
  )

/**
 * What was told, without those who left and came back at once where this process was held up for so long that its gateways
 * were late with their leases: then they are rightly taken for dead, and say that they live again.
 */
const toldInTime = (ears: Ears, late: () => number): ReadonlyArray<string> => {
  const all = told(ears)
  if (late() < lease / 4) return all
  return all.filter((text, at) => {
    const who = text.slice(1)
    const [before, after] = [all.slice(0, at), all.slice(at + 1)]
    const isBrief = text.startsWith("-") && after.some((next) => next === `+${who}`)
    return !isBrief && !(text.startsWith("+") && before.includes(text))
  })
}

const tests = () => {
  it.scopedLive("are told to have left when their gateway has died, after the lease, and others stay", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const late = yield* lateness
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      const ears = new Ears()
      yield* other.broker.subscribe("presence", ears)
      yield* one.broker.join("room", "presence", ann, 1)
      yield* other.broker.join("room", "presence", bob, 1)
      yield* Effect.sleep(3 * lease)
      yield* areThere(other, ["ann", "bob"])
      one.isDead = true
      // Nobody asks: whoever listens is told.
      yield* until("ann is told to have left", () => told(ears).findLast((text) => text.endsWith("ann")) === "-ann")
      yield* Effect.sleep(2 * lease)
      yield* areThere(other, ["bob"])
      assert.deepStrictEqual(toldInTime(ears, late), ["+ann", "+bob", "-ann"])
    })
  )

  it.scopedLive("stay through a restart of Redis, and are joined anew if it has lost them", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ appendOnly: true })
      const late = yield* lateness
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      const ears = new Ears()
      yield* other.broker.subscribe("presence", ears)
      yield* one.broker.join("room", "presence", ann, 1)
      yield* server.kill
      yield* server.start
      yield* Effect.sleep(2 * lease)
      yield* areThere(other, ["ann"])
      assert.deepStrictEqual(toldInTime(ears, late), ["+ann"])
      yield* server.cli("FLUSHALL")
      yield* Effect.sleep(lease)
      yield* areThere(other, ["ann"])
      // So that they can leave all that they are in, too.
      yield* other.broker.leave(ann.session, { after: 0 })
      yield* areThere(one, [])
    })
  )

  it.scopedLive("are not brought back by the gateway that joined them, when another had them leave", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const late = yield* lateness
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      const ears = new Ears()
      yield* other.broker.subscribe("presence", ears)
      yield* one.broker.join("room", "presence", ann, 1)
      yield* one.broker.join("room", "presence", bob, 1)
      yield* other.broker.leave(ann.session, { after: 0 })
      yield* other.broker.leave(bob.session, { topic: "room", after: 50 })
      yield* Effect.sleep(3 * lease)
      yield* areThere(other, [])
      assert.deepStrictEqual(toldInTime(ears, late), ["+ann", "+bob", "-ann", "-bob"])
      yield* other.broker.join("room", "presence", ann, 1)
      yield* areThere(one, ["ann"])
    })
  )

  it.scopedLive(
    "are not brought back by the gateway that their session has left, when they leave at the next one",
    () =>
      Effect.gen(function* () {
        const server = yield* redisServer()
        const late = yield* lateness
        const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
        const ears = new Ears()
        yield* other.broker.subscribe("presence", ears)
        yield* one.broker.join("room", "presence", ann, 1)
        yield* other.broker.join("room", "presence", ann, 1)
        // Before the first has found that it holds it no more.
        yield* other.broker.leave(ann.session, { topic: "room", after: 0 })
        yield* Effect.sleep(2 * lease)
        yield* areThere(other, [])
        assert.deepStrictEqual(toldInTime(ears, late), ["+ann", "-ann"])
        // And it comes again as any other does.
        yield* one.broker.join("room", "presence", ann, 1)
        yield* areThere(other, ["ann"])
      })
  )

  it.scopedLive("stay when the gateway to which their session has moved is alive, whatever becomes of the first", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      const ears = new Ears()
      yield* other.broker.subscribe("presence", ears)
      yield* one.broker.join("room", "presence", ann, 1)
      yield* one.broker.join("room", "presence", bob, 1)
      yield* other.broker.join("room", "presence", ann, 1)
      yield* other.broker.join("room", "presence", bob, 1)
      // It noticed too late that the session is elsewhere, and takes its leave back.
      yield* one.broker.leave(ann.session, { after: 60_000 })
      yield* one.broker.join("room", "presence", ann, 1)
      yield* Effect.sleep(lease)
      one.isDead = true
      yield* Effect.sleep(3 * lease)
      yield* areThere(other, ["ann", "bob"])
      other.isDead = true
      const third = yield* node(server.url, options)
      yield* Effect.sleep(2 * lease)
      yield* areThere(third, [])
    })
  )

  it.scopedLive("are joined anew by the gateway to which they have moved, where that was late with their lease", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      const ears = new Ears()
      yield* one.broker.subscribe("presence", ears)
      yield* one.broker.join("room", "presence", ann, 1)
      yield* other.broker.join("room", "presence", ann, 1)
      other.isDead = true
      yield* until("ann is taken to have left", () => told(ears).includes("-ann"))
      yield* areThere(one, [])
      other.isDead = false
      yield* areThere(one, ["ann"])
      // It is the one that has them leave, then as before.
      yield* other.broker.leave(ann.session, { topic: "room", after: 0 })
      yield* Effect.sleep(2 * lease)
      yield* areThere(one, [])
    })
  )

  it.scopedLive("are all, where they are very many and their gateway dies, told to have left", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      yield* Effect.forEach(
        Array.from({ length: 1500 }, (_, i) => `s${i}`),
        (session) => one.broker.join("room", "presence", { session, principal: session }, 1),
        { concurrency: 200 }
      )
      const ears = new Ears()
      yield* other.broker.subscribe("presence", ears)
      yield* Effect.sleep(3 * lease)
      yield* eventually(
        "all to be there",
        Effect.map(there(other), ({ length }) => length === 1500)
      )
      one.isDead = true
      // On a machine that is held up for a lease some were told to have left before, and to have joined again.
      yield* until("all are told", () => new Set(told(ears).filter((text) => text.startsWith("-"))).size === 1500)
      yield* areThere(other, [])
    })
  )

  it.scopedLive("and all else are forgotten in time when no gateway lives: every key has its time to live", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const [one, other] = [yield* node(server.url, options), yield* node(server.url, options)]
      yield* one.broker.join("room", "presence", ann, 1)
      yield* one.broker.join("room", "presence", bob, 1)
      yield* other.broker.leave(ann.session, { after: 10_000 })
      yield* other.broker.leave(bob.session, { after: 0 })
      yield* one.broker.publish("topic", "1", { key: "key" })
      yield* one.broker.history("read only", { limit: 1 })
      yield* one.broker.members("nobody", "here")
      yield* other.broker.leave("nobody", { after: 0 })
      yield* other.broker.leave("nobody", { after: 10 })
      yield* Effect.sleep(lease)
      const keys = (yield* server.cli("KEYS", "*")).split("\n")
      assert.isAbove(keys.length, 6)
      for (const key of keys) {
        const ttl = Number(yield* server.cli("PTTL", key))
        assert.isAbove(ttl, 0, key)
        assert.isBelow(ttl, 86_400_001, key)
      }
    })
  )
}

describeWithRedis("a broker on Redis", () => describe.concurrent("has members that", tests))
