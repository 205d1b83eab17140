/** What clients and gateways see while Redis is away, and when it comes back without its data. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Client } from "holdfast"
import * as Program from "../node/program.js"
import { upTo } from "../node/support.js"
import { eventually, patiently } from "../support/patience.js"
import { until } from "./brokerSupport.js"
import { describeWithRedis } from "./gate.js"
import { news, redisClient, redisGateway } from "./gatewaySupport.js"
import { redisServer } from "./server.js"

describeWithRedis("a gateway whose Redis is killed", () => {
  it.scopedLive("keeps its clients, says why it is not ready, and goes on when Redis is back", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ appendOnly: true })
      const { gateway, handled, port } = yield* redisGateway(server.url, { replayMessages: 10 })
      const { client, events, received } = yield* redisClient(port)
      const before = yield* client.ready
      yield* gateway.ready
      yield* server.kill
      yield* eventually("it is not ready", Effect.isFailure(gateway.ready))
      const { reason } = yield* Effect.flip(gateway.ready)
      assert.match(reason, /^the session store: Redis .*(cannot be reached|does not answer): .+/)
      const delivery = yield* Effect.forkScoped(client.deliver(7))
      const session = yield* gateway.session(before.session)
      let accepted = 0
      const sending = yield* Effect.forkScoped(
        Effect.forEach(upTo(30), (n) => Effect.tap(session.send(n), () => Effect.sync(() => void accepted++)), {
          concurrency: "unbounded"
        })
      )
      const newcomer = yield* redisClient(port)
      // Handlers go on with what comes meanwhile.
      yield* client.send(8)
      yield* Effect.sleep("250 millis")
      yield* client.send(9)
      yield* eventually(
        "all of it was handled",
        Effect.sync(() => handled.length === 3)
      )
      assert.strictEqual((yield* client.stats).acknowledged, 0)
      assert.strictEqual((yield* Fiber.poll(delivery))._tag, "None")
      // What the store has not is not accepted: 10 wait for it, the others for room.
      assert.strictEqual(accepted, 0)
      assert.strictEqual((yield* session.info).unacknowledged.messages, 10)
      assert.sameMembers(handled, [7, 8, 9])
      assert.notStrictEqual((yield* newcomer.client.status)._tag, "Ready")
      yield* server.start
      yield* patiently("the delivery", Fiber.join(delivery))
      yield* patiently("the sending", Fiber.join(sending))
      yield* until("all that was sent", () => received.length >= 30)
      yield* patiently("the newcomer", newcomer.client.ready)
      yield* gateway.ready
      assert.deepStrictEqual(received, upTo(30))
      assert.sameMembers(handled, [7, 8, 9])
      assert.deepStrictEqual(events, [])
      assert.deepStrictEqual(yield* client.status, before)
    })
  )

  it.scopedLive("answers /healthz with 503 and the reason for as long as that lasts", () =>
    Effect.gen(function* () {
      const server = yield* redisServer({ appendOnly: true })
      const { port } = yield* Program.gateway({ REDIS_URL: server.url })
      const health = Effect.promise(async () => {
        const response = await fetch(`http://127.0.0.1:${port}/healthz`)
        return { status: response.status, body: await response.text() }
      })
      assert.strictEqual((yield* health).status, 200)
      yield* server.kill
      const away = yield* Effect.repeat(Effect.delay(health, "50 millis"), { until: ({ status }) => status !== 200 })
      assert.strictEqual(away.status, 503)
      assert.match(away.body, /"reason":"the session store: Redis cannot be reached: .+"/)
      yield* server.start
      yield* eventually(
        "it is ready again",
        Effect.map(Effect.delay(health, "50 millis"), ({ status }) => status === 200)
      )
    })
  )

  it.scopedLive("has clients told of what is lost when Redis comes back empty, without any traffic", () =>
    Effect.gen(function* () {
      const server = yield* redisServer()
      const { gateway, port } = yield* redisGateway(server.url)
      const { client, events } = yield* redisClient(port)
      yield* client.ready
      const heard: Array<number> = []
      const lost = yield* Effect.forkScoped(
        Effect.flip(
          client.subscribe(news).pipe(
            Stream.filter(Client.hasValue),
            Stream.runForEach(({ value }) => Effect.sync(() => heard.push(value)))
          )
        )
      )
      yield* eventually(
        "it is subscribed",
        Effect.map(Effect.orDie(gateway.members(news)), (all) => all.length === 1)
      )
      yield* gateway.publish(news, 1)
      yield* until("the publication", () => heard.length === 1)
      yield* server.kill
      yield* server.start
      const error = yield* patiently("the loss", Fiber.join(lost))
      assert.strictEqual(error._tag === "PositionLost" ? error.reason : error.message, "epoch")
      yield* until("the session is lost", () => events.length > 0)
      const [event] = events
      assert.strictEqual(event?._tag === "SessionLost" ? event.reason : event?._tag, "unknown")
    })
  )
})
