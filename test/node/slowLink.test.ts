/** Large messages over real sockets, a link slower than a message per deadline, and cuts. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schema, Stream } from "effect"
import { Broker, Client, Codec, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { eventually, limit } from "../support/patience.js"
import * as SlowProxy from "./slowProxy.js"

const bytesPerSecond = 50_000
const timing = { heartbeatInterval: "1 second", readDeadline: "3 seconds", writeDeadline: "3 seconds" } as const
const large = "é€😀x".repeat(40_000)
const Room = Topic.make("room", Schema.Number)
const room = Room.at({})

/** How late publications are, in milliseconds. */
const everySecond = (publish: (now: number) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const late: Array<number> = []
    const one = Effect.gen(function* () {
      const before = yield* Clock.currentTimeMillis
      yield* publish(before)
      late.push((yield* Clock.currentTimeMillis) - before)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.fork(one), Effect.sleep("1 second"))))
    return late
  })

const world = (codec: Codec.Codec) =>
  Effect.gen(function* () {
    const handled: Array<string> = []
    const got: Array<string> = []
    const gateway = yield* Gateway.make({
      ...timing,
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        message === "please" ? session.send(large) : Effect.sync(() => void handled.push(String(message))),
      topics: [Gateway.topic(Room, { subscribe: Gateway.allow, publish: Gateway.allow })]
    })
    const proxy = yield* SlowProxy.make(Number(new URL(gateway.address).port), bytesPerSecond)
    const client = yield* Client.make({
      ...timing,
      url: `ws://127.0.0.1:${proxy.port}/`,
      messages: Messages.json,
      codec
    })
    yield* Effect.forkScoped(
      Stream.runForEach(client.messages, (message) => Effect.sync(() => void got.push(String(message))))
    )
    yield* client.ready
    return { client, got, handled, proxy }
  })

/** Cuts once the half of it has come: that must not be carried again. */
const cutInTheMiddle = ({ client, proxy }: Effect.Effect.Success<ReturnType<typeof world>>, way: "up" | "down") =>
  Effect.gen(function* () {
    yield* eventually(
      "the half of it has come",
      Effect.map(client.stats, ({ receiving, sending }) => {
        const progress = way === "up" ? sending : receiving
        return progress !== undefined && progress.received > progress.size / 2
      }),
      () => proxy.carried[way]
    )
    yield* proxy.cut
  })

describe.concurrent("a message that takes longer than the read deadline, over a connection that is cut in the middle of it", () => {
  for (const codec of [Codec.json, Codec.msgpack]) {
    for (const way of ["up", "down"] as const) {
      it.live(
        `arrives once, is not carried again, and small publications pass it: ${way}, ${codec.subprotocol}`,
        () =>
          Effect.gen(function* () {
            const made = yield* world(codec)
            const { client, got, handled, proxy } = made
            const arrived = way === "up" ? handled : got
            const late = yield* everySecond((now) => client.publish(room, now))
            yield* Effect.forkScoped(way === "up" ? client.deliver(large) : client.send("please"))
            yield* cutInTheMiddle(made, way)
            yield* eventually(
              "it has arrived",
              Effect.sync(() => arrived.length > 0),
              () => proxy.carried[way]
            )
            yield* Effect.sleep("2 seconds")
            assert.deepStrictEqual(arrived, [large])
            assert.isBelow(proxy.carried[way], 1.3 * Codec.byteLength(large))
            const [median = Number.POSITIVE_INFINITY] = late.sort((a, b) => a - b).slice(Math.floor(late.length / 2))
            console.log(`${way} ${codec.subprotocol}: carried ${proxy.carried[way]}, publications late by ${late} ms`)
            // Behind all of the message it would be eight seconds.
            assert.isBelow(median, 3000)
          }).pipe(
            Effect.scoped,
            Effect.provide(
              Layer.mergeAll(
                NodeDialer.layer,
                NodeListener.layer({ port: 0 }),
                SessionStore.layerMemory(),
                Broker.layerMemory()
              )
            )
          ),
        limit
      )
    }
  }
})
