/**
 * Holdfast on Redis: sessions and topics that many gateways share.
 *
 * @since 0.1.0
 */
export * as RedisConnection from "./RedisConnection.js"
export * as RedisSessionStore from "./RedisSessionStore.js"
