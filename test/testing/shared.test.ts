/** Gateways on machines of their own, with a store and a broker on another. */
import { assert, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Schema, Stream } from "effect"
import { Broker, Client, Gateway, Messages, SessionStore, Topic } from "holdfast"
import { Machine } from "holdfast/testing"
import { gateway, Network, now, timed, virtually } from "./support.js"

const onStore = Machine.layerSessionStore({ on: "store" })

/** Two gateways with one store, and a client that dials the one that it has not dialled last. */
const twoGateways = Effect.gen(function* () {
  const network = yield* Network
  const store = yield* SessionStore.makeMemory()
  const handled: Array<string> = []
  for (const name of ["gateway-1", "gateway-2"]) {
    const mine = { push: (message: unknown) => void handled.push(`${name} ${String(message)}`) }
    yield* network
      .run(name, Effect.provide(gateway(name, mine), onStore))
      .pipe(Effect.provideService(SessionStore.SessionStore, store))
  }
  yield* Effect.sleep(0)
  let dials = 0
  const url = Effect.sync(() => `ws://gateway-${(dials++ % 2) + 1}/`)
  const client = yield* Client.make({ url, messages: Messages.json })
  return { network, store, handled, client }
})

it.effect("a session goes on at the other gateway when its own crashes, told or untold, and nothing is lost", () =>
  Effect.forEach([true, false], (isTold) =>
    virtually(
      Effect.gen(function* () {
        const { client, handled, network } = yield* twoGateways
        yield* network.way({ latency: 3 })
        yield* client.deliver(1)
        const { session } = yield* client.ready
        yield* network.crash("gateway-1", { isTold })
        yield* client.send(2)
        yield* client.deliver(3)
        const again = yield* client.ready
        assert.deepStrictEqual([again.session, again.start._tag], [session, "Resumed"])
        assert.deepStrictEqual(handled, ["gateway-1 1", "gateway-2 2", "gateway-2 3"])
        const answers = yield* Stream.runCollect(Stream.take(client.messages, 3))
        assert.deepStrictEqual(Chunk.toReadonlyArray(answers), ["gateway-1: 1", "gateway-2: 2", "gateway-2: 3"])
      })
    )
  )
)

it.effect("the finalizers of a gateway that crashed do not reach the store: its sessions stay", () =>
  virtually(
    Effect.gen(function* () {
      const { client, network, store } = yield* twoGateways
      yield* client.ready
      yield* network.partition("client", "gateway-2")
      yield* network.crash("gateway-1")
      // Nobody has detached it, so that its window does not run: a gateway that ends in order would have.
      yield* Effect.sleep("1 hour")
      assert.strictEqual(yield* store.size, 1)
      yield* network.rejoin("client", "gateway-2")
      assert.strictEqual((yield* client.ready).start._tag, "Resumed")
    })
  )
)

it.effect("a gateway that is cut off from its store resumes nobody until it is back, and nothing is lost", () =>
  virtually(
    Effect.gen(function* () {
      const { client, handled, network } = yield* twoGateways
      yield* client.deliver(1)
      yield* network.partition("gateway-2", "store")
      yield* network.crash("gateway-1")
      yield* client.send(2)
      yield* Effect.sleep("1 minute")
      assert.notStrictEqual((yield* client.status)._tag, "Ready")
      yield* network.rejoin("gateway-2", "store")
      yield* client.deliver(3)
      assert.strictEqual((yield* client.ready).start._tag, "Resumed")
      assert.deepStrictEqual(handled, ["gateway-1 1", "gateway-2 2", "gateway-2 3"])
    })
  )
)

it.effect("a store on another machine is as far away as the network says, and fails as connections do", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const memory = yield* SessionStore.makeMemory()
      const store = yield* SessionStore.SessionStore.pipe(
        Effect.provide(Machine.layerSessionStore({ on: "store", timeout: "2 seconds" })),
        Effect.provideService(SessionStore.SessionStore, memory),
        Effect.provide(network.on("gateway"))
      )
      yield* network.way({ latency: 7 })
      const session = { id: "a", principal: "p", subprotocol: "holdfast.v1.json", secretHash: "h" } as const
      assert.deepStrictEqual(yield* timed(store.create(session)), [undefined, 14])
      assert.deepStrictEqual(yield* timed(store.size), [1, 14])
      yield* network.silence("store", "gateway")
      const [failed, millis] = yield* timed(Effect.flip(store.create({ ...session, id: "b" })))
      assert.strictEqual(failed._tag, "StoreUnavailable")
      assert.strictEqual(millis, 2000)
      assert.strictEqual(yield* memory.size, 2) // It has happened, and nobody knows.
    })
  )
)

const Room = Topic.make("rooms/:room", Schema.String)

it.effect("what is published at one gateway is heard at the other, after the ways through the broker's machine", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const broker = yield* Broker.makeMemory()
      const program = Effect.zipRight(
        Gateway.make({
          messages: Messages.json,
          authenticate: Gateway.anonymous,
          onMessage: () => Effect.void,
          topics: [Gateway.topic(Room, { subscribe: Gateway.allow, publish: Gateway.allow })]
        }),
        Effect.never
      ).pipe(
        Effect.scoped,
        Effect.provide(Machine.layerBroker({ on: "broker" })),
        Effect.provideServiceEffect(SessionStore.SessionStore, SessionStore.makeMemory())
      )
      for (const name of ["gateway-1", "gateway-2"]) {
        yield* Effect.provideService(network.run(name, program), Broker.Broker, broker)
      }
      yield* Effect.sleep(0)
      const lobby = Room.at({ room: "lobby" })
      const one = yield* Client.make({ url: "ws://gateway-1/", messages: Messages.json })
      const two = yield* Client.make({ url: "ws://gateway-2/", messages: Messages.json })
      const heard: Array<readonly [string, number]> = []
      yield* Effect.fork(
        two.subscribe(lobby).pipe(
          Stream.filter(Client.hasValue),
          Stream.runForEach(({ value }) => Effect.map(now, (at) => void heard.push([value, at])))
        )
      )
      yield* Effect.sleep(100)
      yield* network.way({ latency: 10 }, "gateway-1", "broker")
      yield* network.way({ latency: 5 }, "broker", "gateway-2")
      yield* one.publish(lobby, "first")
      yield* Effect.sleep(100)
      assert.deepStrictEqual(heard, [["first", 115]])

      yield* network.silence("broker", "gateway-2")
      yield* one.publish(lobby, "second")
      yield* one.publish(lobby, "third")
      yield* Effect.sleep(100)
      assert.strictEqual(heard.length, 1)
      yield* network.heal("broker", "gateway-2")
      yield* Effect.sleep(100)
      assert.deepStrictEqual(
        heard.map(([value]) => value),
        ["first", "second", "third"]
      )
    })
  )
)

it.effect("a subscription to the broker that failed is not heard of, though it came about", () =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const memory = yield* Broker.makeMemory()
      const broker = yield* Broker.Broker.pipe(
        Effect.provide(Machine.layerBroker({ on: "broker" })),
        Effect.provideService(Broker.Broker, memory),
        Effect.provide(network.on("gateway"))
      )
      const heard: Array<string> = []
      const listener = { published: () => void heard.push("published"), reset: () => void heard.push("reset") }
      yield* network.silence("broker", "gateway")
      const subscribing = yield* Effect.fork(Effect.flip(broker.subscribe("topic", listener)))
      assert.strictEqual((yield* Fiber.join(subscribing))._tag, "BrokerUnavailable")
      yield* network.heal("broker", "gateway")
      yield* memory.publish("topic", "anything", {})
      yield* Effect.sleep(100)
      assert.deepStrictEqual(heard, [])
    })
  )
)
