/**
 * A chat gateway, with rooms as topics and an echo, with `GET /healthz` on the same port.
 *
 *     PORT=8080 HOST=127.0.0.1 npm start
 *
 * With REDIS_URL=redis://127.0.0.1:6379 any number of them is one: see `cluster.ts`.
 * The inspector is at /inspector: with INSPECTOR_PASSWORD it asks for that, else it lets in who is on this machine.
 * A client's token is its name. The timings are options: HOLDFAST_READ_DEADLINE="10 seconds".
 */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Config, ConfigError, Console, Context, Effect, Either, Layer, Option } from "effect"
import { Broker, ConnectionError, Gateway, Options, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { type Echoed, messages, Room } from "./chat.js"
import { makeInspector } from "./gateway/inspector.js"

class Chat extends Context.Tag("examples/Chat")<Chat, Gateway.Gateway<Echoed>>() {}

const nameOf = (token: string | undefined) => (token === undefined || token === "" ? "somebody" : token)

const ChatLive = Layer.unwrapEffect(
  Effect.map(Options.config, (options) =>
    Gateway.layer(Chat, {
      ...options,
      messages,
      authenticate: ({ token }) =>
        nameOf(token).length > 40
          ? new ConnectionError.NotAllowed({ reason: "a name has at most 40 characters" })
          : Effect.succeed({ id: nameOf(token) }),
      onMessage: ({ text }, session) => session.send({ _tag: "Echoed", text }),
      topics: [
        Gateway.topic(Room, {
          subscribe: Gateway.allow,
          // Nobody speaks for somebody else.
          publish: (_, { from }, { principal }) =>
            from === principal.id ? Effect.void : new ConnectionError.NotAllowed({ reason: `you are ${principal.id}` }),
          presence: true
        })
      ]
    })
  )
)

const health = Effect.gen(function* () {
  const chat = yield* Chat
  yield* chat.ready
  const { connections, sessions, since } = yield* chat.stats
  const uptime = ((yield* Clock.currentTimeMillis) - since) / 1000
  return yield* HttpServerResponse.json({ status: "ok", connections, sessions, uptime })
}).pipe(
  // A load balancer sends nobody here then.
  Effect.catchTag("NotReady", ({ reason }) =>
    HttpServerResponse.json({ status: "unavailable", reason }, { status: 503 })
  )
)

const Routes = Layer.unwrapScoped(
  Effect.map(Effect.flatMap(Chat, makeInspector), (inspector) =>
    HttpServer.serve(HttpRouter.empty.pipe(HttpRouter.get("/healthz", health), HttpRouter.concat(inspector)))
  )
)

const Listening = Layer.effectDiscard(
  Effect.flatMap(Chat, (chat) => Console.log(`the gateway listens at ${chat.address}`))
)

/** What is empty counts as absent. */
const Port = Config.nonEmptyString("PORT").pipe(
  Config.mapOrFail((text) =>
    /^\d+$/.test(text)
      ? Either.right(Number(text))
      : Either.left(
          ConfigError.InvalidData(["PORT"], `PORT=${text}: a port is a whole number from 0 (any free one) to 65535`)
        )
  ),
  Config.withDefault(8080)
)
const Host = Config.nonEmptyString("HOST").pipe(Config.withDefault("127.0.0.1"))

const ListenerLive = Layer.unwrapEffect(
  Effect.map(Config.all({ port: Port, host: Host }), (options) => NodeListener.layerHttp(options))
)

const InMemory = Layer.merge(SessionStore.layerMemory(), Broker.layerMemory())
const InRedis = Layer.merge(RedisSessionStore.layer(), RedisBroker.layer()).pipe(
  Layer.provide(RedisConnection.layerConfig())
)

/** Sessions and topics: of this process, or of all gateways on the Redis at REDIS_URL. */
const Shared = Layer.unwrapEffect(
  Effect.map(Config.option(Config.nonEmptyString("REDIS_URL")), (url) => (Option.isSome(url) ? InRedis : InMemory))
)

const Main = Layer.mergeAll(Routes, Listening).pipe(
  Layer.provide(ChatLive),
  Layer.provide(ListenerLive),
  Layer.provide(Shared)
)

Layer.launch(Main).pipe(
  // A wrong option or a port in use: one clear line.
  Effect.catchAll((error) =>
    Effect.zipRight(
      Console.error(error.message),
      Effect.sync(() => process.exit(1))
    )
  ),
  NodeRuntime.runMain
)
