/**
 * Holdfast: WebSocket connections that must not be lost.
 *
 * @since 0.1.0
 */
export * as Broker from "./Broker.js"
export * as Client from "./Client.js"
export * as ClientStatus from "./ClientStatus.js"
export * as CloseCode from "./CloseCode.js"
export * as Codec from "./Codec.js"
export * as Connection from "./Connection.js"
export * as ConnectionError from "./ConnectionError.js"
export * as Credentials from "./Credentials.js"
export * as Dialer from "./Dialer.js"
export * as Gateway from "./Gateway.js"
export * as Heartbeat from "./Heartbeat.js"
export * as Listener from "./Listener.js"
export * as Messages from "./Messages.js"
export * as Options from "./Options.js"
export * as Protocol from "./Protocol.js"
export * as ReadDeadline from "./ReadDeadline.js"
export * as Reconnect from "./Reconnect.js"
export * as Session from "./Session.js"
export * as SessionStore from "./SessionStore.js"
export * as Topic from "./Topic.js"
export * as TopicRule from "./TopicRule.js"
export * as Transport from "./Transport.js"
export * as WriteDeadline from "./WriteDeadline.js"
