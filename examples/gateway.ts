/**
 * A chat gateway, with rooms as topics and an echo; on the same port the demo page at `/` and `GET /healthz`.
 *
 *     PORT=8080 HOST=127.0.0.1 npm start
 *
 * With REDIS_URL=redis://127.0.0.1:6379 any number of them is one: see `cluster.ts`.
 * The inspector is at /inspector: with INSPECTOR_PASSWORD it asks for that, else it lets in who is on this machine.
 * A client's token is its name. The timings are options: HOLDFAST_READ_DEADLINE="10 seconds".
 */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeFileSystem, NodeHttpPlatform, NodeRuntime } from "@effect/platform-node"
import { Clock, Config, ConfigError, Console, Effect, Either, Layer, Match, Option, Schedule } from "effect"
import { Broker, ConnectionError, Gateway, Options, Outcome, type Session, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { type Asked, type Echoed, messages, Room, type Say } from "./chat.js"
import * as Faults from "./gateway/faults.js"
import { path as inspectorPath, makeInspector } from "./gateway/inspector.js"
import * as Page from "./gateway/page.js"

class Chat extends Gateway.Tag<Chat>()("examples/Chat", messages) {}

const nameOf = (token: string | undefined) => (token === undefined || token === "" ? "somebody" : token)

/** Under the message's stable id: published once, also where another gateway handles it again. */
const say = ({ room, text }: Pick<Say, "room" | "text">, session: Session.Session<Echoed>, seq: number) =>
  Effect.asVoid(
    session.gateway.publish(Room.at({ room }), { from: session.principal.id, text }, { key: `${session.id}-${seq}` })
  )

const aMinute = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(60))

const uploaded = (text: string) => `(uploaded ${text.length.toLocaleString("en")} characters)`

const handle = (message: Asked, session: Session.Session<Echoed>, seq: number) =>
  Match.valueTags(message, {
    Echo: ({ text }) => session.send({ _tag: "Echoed", text }),
    Say: (said) => say(said, session, seq),
    Upload: ({ room, text }) => say({ room, text: uploaded(text) }, session, seq)
  })

const ChatLive = Layer.unwrapEffect(
  Effect.map(Options.config, (options) =>
    Gateway.layer(Chat, {
      ...options,
      authenticate: ({ token }) =>
        nameOf(token).length > 40
          ? new ConnectionError.NotAllowed({ reason: "a name has at most 40 characters" })
          : Effect.succeed({ id: nameOf(token) }),
      onMessage: handle,
      // Without its broker, a message is not acknowledged, and is tried again for a minute.
      onFailure: (error) =>
        error._tag === "BrokerUnavailable"
          ? Outcome.retry(aMinute, Outcome.refuse("unavailable", "the chat cannot publish now: say it again later"))
          : Outcome.refuse("refused", error.message),
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
    HttpServer.serve(Page.routes(Page.built).pipe(HttpRouter.get("/healthz", health), HttpRouter.concat(inspector)))
  )
).pipe(Layer.provide([NodeHttpPlatform.layer, NodeFileSystem.layer]))

const Listening = Layer.effectDiscard(
  Effect.flatMap(Chat, ({ address }) => {
    const page = new URL(address.replace(/^ws/, "http"))
    const inspector = new URL(`${inspectorPath}/`, page)
    return Console.log(
      `the gateway listens at ${address} and has its page at ${page} and its inspector at ${inspector}`
    )
  })
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

/** The page breaks its own connections with it. */
const BreakableLive = Layer.provideMerge(Faults.layer, ListenerLive)

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
  Layer.provide(BreakableLive),
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
