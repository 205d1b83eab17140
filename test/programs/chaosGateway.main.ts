/**
 * A gateway of the chaos. What its handler does is written to a file at once, so that it is known after a SIGKILL:
 * `B` at the beginning and `E` at the end of each run, with session, seq, value and time; `O` for each session that
 * comes here, with its generation.
 */
import { openSync, writeSync } from "node:fs"
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Random } from "effect"
import { Gateway } from "holdfast"
import { NodeListener } from "holdfast/node"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { messages, News } from "../redis/chaos/messages.js"

const [port = "", url = "", path = ""] = process.argv.slice(2)
const file = openSync(path, "a")
const note = (...words: ReadonlyArray<string | number>) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => writeSync(file, `${words.join(" ")} ${now}\n`)))

const program = Effect.gen(function* () {
  const gateway = yield* Gateway.make({
    messages,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "nobody" }),
    onOpen: (session) => Effect.flatMap(session.info, ({ generation }) => note("O", session.id, generation)),
    onMessage: ({ value }, session, seq) =>
      note("B", session.id, seq, value).pipe(
        Effect.zipRight(Effect.flatMap(Random.nextIntBetween(0, 20), Effect.sleep)),
        Effect.zipRight(note("E", session.id, seq, value))
      ),
    topics: [Gateway.topic(News, { subscribe: Gateway.allow, publish: Gateway.allow })]
  })
  yield* Console.log(`the gateway listens at ${gateway.address}`)
  yield* Effect.never
})

const Shared = Layer.merge(RedisSessionStore.layer(), RedisBroker.layer()).pipe(
  Layer.provide(RedisConnection.layer({ url, prefix: "chaos" }))
)

Effect.scoped(program).pipe(
  Effect.provide(Shared),
  Effect.provide(NodeListener.layer({ port: Number(port), host: "127.0.0.1" })),
  NodeRuntime.runMain
)
