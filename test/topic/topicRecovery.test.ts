import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, type Scope, TestClock } from "effect"
import { type Broker, Codec, ConnectionError, type Protocol } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import {
  away,
  connect,
  fill,
  follow,
  lobby,
  logged,
  makeGateway,
  pass,
  range,
  subscriptions,
  values,
  worlds
} from "../support/topics.js"
import { settle } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork
const small: Broker.Retention = { messages: 5, bytes: 1_000_000, age: 60_000 }

for (const [name, world] of Object.entries(worlds)) {
  for (const codec of ["json", "msgpack"] as const) {
    type Given = Scope.Scope | Layer.Layer.Success<typeof world>
    const law = (text: string, body: () => Effect.Effect<unknown, unknown, Given>) =>
      it.scoped(text, () => Effect.provide(body(), world))
    const start = (since?: Protocol.Position | "oldest") =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ history: small })
        const client = yield* connect({ codec: Codec[codec] })
        const following = yield* follow(client.subscribe(lobby, { since }))
        yield* pass
        return { gateway, client, following }
      })

    describe(`A subscription, with a broker that answers ${name} (${codec}),`, () => {
      law("after a reconnect has missed nothing, when nothing was published", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 3, small)
          yield* pass
          yield* away(client, Effect.void)
          yield* fill(4, 4, small)
          yield* pass
          assert.deepStrictEqual(values(following), [1, 2, 3, 4])
          assert.isUndefined(following.end())
        })
      )

      law("that has received nothing yet recovers all that was published while it was away", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* away(client, fill(1, 5, small))
          assert.deepStrictEqual(values(following), range(1, 5))
          assert.deepStrictEqual(
            following.seen.map(({ position, skipped }) => [position.offset, skipped]),
            range(1, 5).map((offset) => [offset, 0])
          )
        })
      )

      law("recovers exactly the history's size, and is refused for one more", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 2, small)
          yield* pass
          yield* away(client, fill(3, 7, small))
          assert.deepStrictEqual(values(following), range(1, 7))
          const [since] = following.seen.slice(-1)
          const [...ends] = yield* away(client, fill(8, 13, small))
          assert.deepStrictEqual(values(following), range(1, 7), "nothing of a recovery that is not complete")
          const lost = following.end()
          if (!(lost instanceof ConnectionError.PositionLost)) return assert.fail(String(lost))
          assert.deepInclude(lost, { topic: lobby.name, reason: "expired" })
          assert.deepStrictEqual(lost.since, since?.position)
          assert.deepStrictEqual(lost.position, ends.at(-1))
          // As its error says: from there on it goes on.
          const next = yield* follow(client.subscribe(lobby, { since: lost.position }))
          yield* fill(14, 14, small)
          yield* pass
          assert.deepStrictEqual(values(next), [14])
        })
      )

      law("from a position of long ago in a quiet topic misses nothing", () =>
        Effect.gen(function* () {
          const { client, following } = yield* start()
          yield* fill(1, 3, small)
          yield* TestClock.adjust("20 minutes") // of which a publication is kept one
          yield* away(client, Effect.void)
          yield* fill(4, 4, small)
          yield* pass
          assert.deepStrictEqual(values(following), [1, 2, 3, 4])
        })
      )

      law("from `oldest` begins with all that is kept", () =>
        Effect.gen(function* () {
          yield* fill(1, 9, small)
          const { following } = yield* start("oldest")
          assert.deepStrictEqual(values(following), range(5, 9))
        })
      )

      law("from a position goes on after it; without one begins with what is published next", () =>
        Effect.gen(function* () {
          const [, second] = yield* fill(1, 4, small)
          const { client, following } = yield* start(second)
          assert.deepStrictEqual(values(following), [3, 4])
          const other = yield* connect({ codec: Codec[codec] })
          const fresh = yield* follow(other.subscribe(lobby))
          yield* pass
          yield* fill(5, 5, small)
          yield* pass
          assert.deepStrictEqual(values(fresh), [5])
          yield* away(client, Effect.void)
        })
      )

      law("sees all, once and in order, through cuts at any point while it is published to", () =>
        Effect.gen(function* () {
          const network = yield* Network
          const gateway = yield* makeGateway()
          const client = yield* connect({ codec: Codec[codec] })
          const following = yield* follow(client.subscribe(lobby, { since: "oldest" }))
          for (let i = 1; i <= 120; i++) {
            yield* fill(i, i)
            for (let turn = 0; turn < i % 7; turn++) yield* Effect.promise(() => Promise.resolve())
            if (i % 11 === 0) yield* TestClock.adjust((i * 7) % 90)
            if (i % 9 === 0) {
              yield* network.cut()
              yield* settle
              if (i % 2 === 0) yield* client.reconnect
            }
            if (i % 13 === 0) yield* TestClock.adjust(1000)
          }
          yield* TestClock.adjust(60_000)
          assert.deepStrictEqual(values(following), range(1, 120))
          assert.isTrue(following.seen.every(({ skipped }) => skipped === 0))
          assert.deepStrictEqual(yield* subscriptions(gateway), [[lobby.name]])
        })
      )

      law("of hundreds of publications recovers them all, page by page, while more are published", () =>
        Effect.gen(function* () {
          yield* makeGateway()
          const client = yield* connect({ codec: Codec[codec] })
          const following = yield* follow(client.subscribe(lobby))
          yield* pass
          const network = yield* Network
          yield* network.cut()
          yield* settle
          yield* fill(1, 450)
          yield* client.reconnect
          for (let i = 451; i <= 500; i++) {
            yield* TestClock.adjust(5)
            yield* fill(i, i)
          }
          yield* TestClock.adjust(5000)
          assert.deepStrictEqual(values(following), range(1, 500))
        })
      )

      law("goes on through takeovers of connections that the server believes alive", () =>
        Effect.gen(function* () {
          const network = yield* Network
          const { client, following } = yield* start()
          for (let i = 0; i < 4; i++) {
            yield* fill(5 * i + 1, 5 * i + 2)
            const link = yield* network.latest
            link.silence()
            link.client.destroy()
            yield* settle
            yield* fill(5 * i + 3, 5 * i + 3)
            yield* client.reconnect
            // While the first request on it is being answered, this one is taken over, too.
            yield* TestClock.adjust(15)
            if (i % 2 === 1) {
              const next = yield* network.latest
              next.silence()
              next.client.destroy()
              yield* settle
              yield* client.reconnect
              yield* TestClock.adjust(10)
            }
            yield* fill(5 * i + 4, 5 * i + 5)
            yield* pass
          }
          // The old connections are closed in their time.
          yield* TestClock.adjust("15 seconds")
          assert.deepStrictEqual(values(following), range(1, 20))
          assert.isUndefined(following.end())
        })
      )

      law("publishes once what a cut left unanswered, and knows its position", () =>
        Effect.gen(function* () {
          const network = yield* Network
          const { client, following } = yield* start()
          const link = yield* network.latest
          link.silence("server")
          const publishing = yield* Effect.fork(client.publish(lobby, 1))
          yield* pass
          assert.deepStrictEqual(yield* logged(), [1])
          yield* away(client, Effect.void)
          assert.strictEqual((yield* Fiber.join(publishing)).offset, 1)
          assert.deepStrictEqual(yield* logged(), [1])
          assert.deepStrictEqual(values(following), [1])
        })
      )
    })
  }
}
