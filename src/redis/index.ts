/**
 * Holdfast on Redis: sessions and topics that many gateways share.
 *
 * @since 0.1.0
 */
export * as RedisBroker from "./RedisBroker.js"
export * as RedisConnection from "./RedisConnection.js"
export * as RedisSessionStore from "./RedisSessionStore.js"
