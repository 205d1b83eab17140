/**
 * A connection and a session inside a larger Effect program: a feed over one
 * plain connection, kept alive, is stored by a collector that a session
 * reaches; all of it in one scope, supervised, and cancelled together.
 *
 *     npm run example:compose
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Duration, Effect, Layer, Ref, Schedule, Schema, Stream } from "effect"
import { Client, Connection, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { WebSocketServer } from "ws"

/** Somebody else's server, which knows nothing of Holdfast: a reading every 50 ms, and a drop now and then. */
const Feed = Effect.acquireRelease(
  Effect.async<WebSocketServer>((resume) => {
    const server: WebSocketServer = new WebSocketServer({ port: 0, host: "127.0.0.1" })
    server.on("listening", () => resume(Effect.succeed(server)))
    server.on("connection", (socket) => {
      let sent = 0
      const timer = setInterval(() => (++sent > 10 ? socket.terminate() : socket.send(String(20 + sent / 10))), 50)
      socket.on("close", () => clearInterval(timer))
    })
  }),
  (server) =>
    Effect.async<void>((resume) => {
      for (const socket of server.clients) socket.terminate()
      server.close(() => resume(Effect.void))
    })
).pipe(Effect.map((server) => `ws://127.0.0.1:${(server.address() as { port: number }).port}`))

const messages = Messages.make({
  client: Schema.Struct({ celsius: Schema.NumberFromString }),
  server: Schema.Never
})

/** Our own service: takes readings, each once. */
class Readings extends Context.Tag("examples/Readings")<Readings, Ref.Ref<ReadonlyArray<number>>>() {}
class Collector extends Gateway.Tag<Collector>()("examples/Collector", messages) {}

const CollectorLive = Gateway.layer(Collector, {
  authenticate: Gateway.anonymous,
  onMessage: ({ celsius }) => Effect.flatMap(Readings, (readings) => Ref.update(readings, (all) => [...all, celsius]))
})

/** Follows the feed through one connection; when it ends, the reason is typed, and a Schedule says what then. */
const follow = (url: string, take: (reading: string) => Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    const connection = yield* Connection.dial(url, { heartbeatInterval: "1 second", readDeadline: "3 seconds" })
    yield* Stream.runForEach(connection.messages, (frame) => take(String(frame)))
  }).pipe(
    Effect.scoped,
    Effect.tapError((end) => Console.log(`the feed's connection ended: ${String(end)}`)),
    Effect.retry(Schedule.spaced("100 millis"))
  )

const program = Effect.gen(function* () {
  const feed = yield* Feed
  const collector = yield* Collector
  const client = yield* Client.make({ url: collector.address, messages })

  // The feed is somebody else's: a reading that fails to be delivered ends the follower, not the program.
  const following = follow(feed, (reading) => client.deliver({ celsius: Number(reading) }))
  yield* Effect.raceFirst(following, Effect.sleep("2 seconds"))

  const collected = yield* Effect.flatMap(Readings, Ref.get)
  const mean = collected.reduce((sum, celsius) => sum + celsius, 0) / collected.length
  yield* Console.log(
    `${collected.length} readings in ${Duration.format("2 seconds")}, ${mean.toFixed(2)} °C on average`
  )
}).pipe(Effect.scoped)

program.pipe(
  Effect.provide(CollectorLive),
  Effect.provide(Layer.effect(Readings, Ref.make<ReadonlyArray<number>>([]))),
  Effect.provide(SessionStore.layerMemory()),
  Effect.provide(NodeListener.layer({ port: 0 })),
  Effect.provide(NodeDialer.layer),
  NodeRuntime.runMain
)
