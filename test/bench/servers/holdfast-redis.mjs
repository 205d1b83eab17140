/** Holdfast with its defaults, its sessions and its topic in Redis. */
import { Effect, Layer, Logger, LogLevel, Schema } from "effect"
import { Gateway, Messages, Topic } from "holdfast"
import { NodeListener } from "holdfast/node"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"
import { serve } from "./serve.mjs"

const ServerLive = Layer.mergeAll(
  NodeListener.layer({ port: 0, host: "127.0.0.1" }),
  RedisSessionStore.layer(),
  RedisBroker.layer()
).pipe(Layer.provide(RedisConnection.layer({ url: process.env.REDIS_URL, prefix: "bench" })))

const listen = () =>
  new Promise((resume, reject) => {
    Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) => session.send(message),
      topics: [Gateway.topic(Topic.make("bench", Schema.String), { subscribe: Gateway.allow, publish: Gateway.allow })]
    })
      .pipe(
        Effect.tap((gateway) => Effect.sync(() => resume(Number(new URL(gateway.address).port)))),
        Effect.zipRight(Effect.never),
        Effect.scoped,
        Effect.provide(ServerLive),
        Logger.withMinimumLogLevel(LogLevel.Warning),
        Effect.runPromise
      )
      .catch(reject)
  })

await serve({ cluster: listen })
