/**
 * Holdfast: WebSocket connections that must not be lost.
 *
 * @since 0.1.0
 */

export * as Client from "./client/Client.js"
export * as ClientStatus from "./client/ClientStatus.js"
export * as SessionKeeper from "./client/SessionKeeper.js"
export * as Connection from "./connection/Connection.js"
export * as Dialer from "./connection/Dialer.js"
export * as HostEvents from "./connection/HostEvents.js"
export * as Listener from "./connection/Listener.js"
export * as Options from "./connection/Options.js"
export * as Reconnect from "./connection/Reconnect.js"
export * as Transport from "./connection/Transport.js"
export * as Gateway from "./gateway/Gateway.js"
export * as Outcome from "./gateway/Outcome.js"
export * as Session from "./gateway/Session.js"
export * as TopicRule from "./gateway/TopicRule.js"
export * as CloseCode from "./protocol/CloseCode.js"
export * as Codec from "./protocol/Codec.js"
export * as ConnectionError from "./protocol/ConnectionError.js"
export * as Messages from "./protocol/Messages.js"
export * as Protocol from "./protocol/Protocol.js"
export * as Credentials from "./session/Credentials.js"
export * as SessionStore from "./session/SessionStore.js"
export * as Broker from "./topic/Broker.js"
export * as Presence from "./topic/Presence.js"
export * as Topic from "./topic/Topic.js"
