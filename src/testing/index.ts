/**
 * Holdfast under test: a network in memory with its faults, programs in
 * virtual time, and the laws that every store and broker keeps.
 *
 * @since 0.1.0
 */
export * as BrokerLaws from "./BrokerLaws.js"
export * as FaultPlan from "./FaultPlan.js"
export * as Law from "./Law.js"
export * as Machine from "./Machine.js"
export * as MemoryNetwork from "./MemoryNetwork.js"
export * as MemoryTransport from "./MemoryTransport.js"
export * as SessionStoreLaws from "./SessionStoreLaws.js"
export * as VirtualTime from "./VirtualTime.js"
