import { Layer } from "effect"
import { RedisBroker, RedisConnection, RedisSessionStore } from "holdfast/redis"

/** In place of `SessionStore.layerMemory()` and `Broker.layerMemory()`. */
export const Shared = Layer.merge(RedisSessionStore.layer(), RedisBroker.layer()).pipe(
  Layer.provide(RedisConnection.layer({ url: "redis://127.0.0.1:6379" })) // layerConfig() reads REDIS_URL
)
