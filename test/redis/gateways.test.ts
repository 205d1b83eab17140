/** Gateways that share a Redis: any of them has any session, one at a time. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { Client, type Session } from "holdfast"
import { upTo } from "../node/support.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, patiently } from "../support/patience.js"
import { until } from "./brokerSupport.js"
import { describeWithRedis } from "./gate.js"
import { news, redisClient, redisGateway } from "./gatewaySupport.js"
import { redisServer } from "./server.js"

describeWithRedis("two gateways on one Redis", () => {
  it.scopedLive(
    "have a client resume on the other, back and forth: nothing is lost, and what is handled again has its id",
    () =>
      Effect.gen(function* () {
        const { url } = yield* redisServer()
        const handled = new Map<string, Set<number>>()
        const onMessage = (message: number, session: Session.Session<number>, seq: number) =>
          Effect.suspend(() => {
            const id = `${session.id} ${seq}`
            handled.set(id, (handled.get(id) ?? new Set<number>()).add(message))
            return session.send(message)
          })
        const [one, other] = [yield* redisGateway(url, { onMessage }), yield* redisGateway(url, { onMessage })]
        const proxy = yield* TcpProxy.make(one.port)
        const { client, received, events } = yield* redisClient(proxy.port)
        const before = yield* client.ready
        const sending = yield* Effect.forkScoped(
          Effect.forEach(upTo(300), (n) => Effect.zipRight(client.send(n), Effect.sleep("1 millis")))
        )
        for (const { port } of [other, one, other]) {
          yield* Effect.sleep("70 millis")
          yield* proxy.redirect(port)
          yield* proxy.cut
        }
        yield* Fiber.join(sending)
        yield* until("the answers", () => new Set(received).size >= 300)
        assert.deepStrictEqual(
          [...handled.values()].map((messages) => [...messages]),
          upTo(300).map((n) => [n])
        )
        // What was in hand at a move may have been answered by both.
        assert.deepStrictEqual([...new Set(received)], upTo(300))
        assert.deepStrictEqual(events, [])
        const after = yield* client.ready
        assert.strictEqual(after.session, before.session)
        assert.strictEqual((yield* other.gateway.stats).sessions, 1)
        assert.strictEqual((yield* one.gateway.stats).sessions, 0)
      })
  )

  it.scopedLive("send to a session that the other has, once and in order, while it moves", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      const [one, other] = [yield* redisGateway(url), yield* redisGateway(url)]
      const proxy = yield* TcpProxy.make(one.port)
      const { client, received } = yield* redisClient(proxy.port)
      const { session } = yield* client.ready
      yield* Effect.forEach(upTo(100), (n) => other.gateway.send(session, n))
      yield* until("all of them", () => received.length >= 100)
      assert.deepStrictEqual(received, upTo(100))
      const sending = yield* Effect.forkScoped(
        Effect.forEach(upTo(100), (n) =>
          Effect.zipRight(other.gateway.send(session, 100 + n), Effect.sleep("2 millis"))
        )
      )
      for (const { port } of [other, one, other]) {
        yield* Effect.sleep("50 millis")
        yield* proxy.redirect(port)
        yield* proxy.cut
      }
      yield* Fiber.join(sending)
      yield* until("all of them", () => received.length >= 200)
      assert.deepStrictEqual(received, upTo(200))
    })
  )

  it.scopedLive("have the old owner's handler interrupted at once when the other takes the session over", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const one = yield* redisGateway(url, {
        onMessage: () =>
          Effect.onInterrupt(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never), () =>
            Deferred.succeed(interrupted, undefined)
          )
      })
      const other = yield* redisGateway(url)
      const proxy = yield* TcpProxy.make(one.port)
      const { client } = yield* redisClient(proxy.port)
      yield* client.send(1)
      yield* Deferred.await(started)
      yield* proxy.redirect(other.port)
      yield* proxy.cut
      yield* client.ready
      yield* until("the other handles it", () => other.handled.length === 1)
      yield* patiently("the interruption", Deferred.await(interrupted))
      assert.strictEqual((yield* one.gateway.stats).sessions, 0)
      assert.deepStrictEqual(other.handled, [1])
    })
  )

  it.scopedLive("disconnect a session of the other at once: its client is told 4410", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      const [one, other] = [yield* redisGateway(url), yield* redisGateway(url)]
      const [first, second, third] = [
        yield* redisClient(one.port, { token: "ann" }),
        yield* redisClient(one.port, { token: "ann" }),
        yield* redisClient(one.port, { token: "bob" })
      ]
      const { session } = yield* first.client.ready
      for (const { client } of [second, third]) yield* client.ready
      assert.strictEqual(yield* other.gateway.disconnect({ session }, "go"), 1)
      const codeOf = ({ client }: typeof first) =>
        Effect.map(patiently("its end", client.ended), (reason) =>
          reason._tag === "Stopped" && reason.end._tag === "ClosedByPeer"
            ? { code: reason.end.code, reason: reason.end.reason }
            : reason
        )
      assert.deepStrictEqual(yield* codeOf(first), { code: 4410, reason: "go" })
      assert.strictEqual(yield* other.gateway.disconnect({ principal: "ann" }, "all"), 1)
      assert.deepStrictEqual(yield* codeOf(second), { code: 4410, reason: "all" })
      assert.strictEqual((yield* third.client.status)._tag, "Ready")
    })
  )

  it.scopedLive("know of each other, and of one that died without a word no more", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      let isDead = false
      const nodeLease = "1500 millis"
      const one = yield* redisGateway(url, {}, { nodeLease })
      yield* redisGateway(url, {}, { nodeLease, isDead: () => isDead })
      const count = Effect.map(one.gateway.nodes, (nodes) => nodes.length)
      yield* eventually(
        "both are listed",
        Effect.map(count, (n) => n === 2)
      )
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(yield* count, 2)
      isDead = true
      yield* eventually(
        "one is listed",
        Effect.map(count, (n) => n === 1)
      )
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(yield* count, 1)
    })
  )

  it.scopedLive("know the members of a topic of both", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      const [one, other] = [yield* redisGateway(url), yield* redisGateway(url)]
      const [ann, bob] = [
        yield* redisClient(one.port, { token: "ann" }),
        yield* redisClient(other.port, { token: "bob" })
      ]
      const heard: Array<number> = []
      for (const { client } of [ann, bob]) {
        const listening = Stream.runForEach(Stream.filter(client.subscribe(news), Client.hasValue), ({ value }) =>
          Effect.sync(() => void heard.push(value))
        )
        yield* Effect.forkScoped(listening)
      }
      const names = ({ gateway }: typeof one) =>
        Effect.map(gateway.members(news), (members) =>
          members
            .map(({ principal }) => principal)
            .sort()
            .join()
        )
      for (const on of [one, other])
        yield* eventually(
          "both",
          Effect.map(names(on), (who) => who === "ann,bob")
        )
      yield* other.gateway.publish(news, 7)
      yield* until("both hear it", () => heard.length === 2)
      yield* ann.client.close
      for (const on of [one, other])
        yield* eventually(
          "bob alone",
          Effect.map(names(on), (who) => who === "bob")
        )
    })
  )
})
