/**
 * Holdfast under test: connections in memory, time under TestClock; and the
 * laws that every store and broker keeps.
 *
 * @since 0.1.0
 */
export * as BrokerLaws from "./BrokerLaws.js"
export * as Law from "./Law.js"
export * as MemoryNetwork from "./MemoryNetwork.js"
export * as MemoryTransport from "./MemoryTransport.js"
export * as SessionStoreLaws from "./SessionStoreLaws.js"
