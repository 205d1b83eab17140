/** Gateways on one Redis, each with a connection, a store and a broker of its own, as in processes of their own. */
import { Effect, Layer, Schema, Stream } from "effect"
import { type Client, type ClientStatus, Gateway, Reconnect, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { makeClient, numbers } from "../node/support.js"

export const News = Topic.make("news", Schema.Number)
export const news = News.at()

type Options = Partial<Omit<Gateway.GatewayOptions<number, number, Gateway.Principal, never>, "topics">>

interface RedisOptions extends RedisSessionStore.Options {
  readonly broker?: RedisBroker.Options | undefined
  /** Whether it can still ask Redis anything: one that has died cannot. */
  readonly isDead?: () => boolean
}

/** `handled` are the messages that its handler was given. */
export const redisGateway = (url: string, options: Options = {}, { broker, isDead, ...store }: RedisOptions = {}) =>
  Effect.gen(function* () {
    const { run, ...connection } = yield* RedisConnection.make({
      url,
      timeout: "10 seconds",
      heartbeatInterval: "200 millis",
      reconnect: Reconnect.exponential({ base: "20 millis", max: "50 millis" })
    })
    const redis = Layer.succeed(RedisConnection.RedisConnection, {
      ...connection,
      run: (...asked) =>
        Effect.suspend(() => (isDead?.() === true ? Effect.fail(new Error("it is dead")) : run(...asked)))
    })
    const services = Layer.merge(RedisSessionStore.layer(store), RedisBroker.layer(broker)).pipe(Layer.provide(redis))
    const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), services))
    const handled: Array<number> = []
    const gateway = yield* Gateway.make({
      messages: numbers,
      authenticate: ({ token }) => Effect.succeed({ id: token ?? "somebody" }),
      onMessage: (message) => Effect.sync(() => void handled.push(message)),
      topics: [Gateway.topic(News, { subscribe: Gateway.allow, publish: Gateway.allow, presence: true })],
      ...options
    }).pipe(Effect.provide(context))
    return { gateway, handled, port: Number(new URL(gateway.address).port) }
  })

/** `received` are the server's messages, `events` its events. */
export const redisClient = (port: number, options?: Partial<Client.ClientOptions<number, number>>) =>
  Effect.gen(function* () {
    const client = yield* makeClient(port, options)
    const received: Array<number> = []
    const events: Array<ClientStatus.ClientEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(client.messages, (n) => Effect.sync(() => void received.push(n))))
    yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => void events.push(event))))
    return { client, received, events }
  })
