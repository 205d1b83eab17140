/**
 * Holdfast under test: connections in memory, time under TestClock.
 *
 * @since 0.1.0
 */
export * as FaultPlan from "./FaultPlan.js"
export * as Machine from "./Machine.js"
export * as MemoryNetwork from "./MemoryNetwork.js"
export * as MemoryTransport from "./MemoryTransport.js"
export * as VirtualTime from "./VirtualTime.js"
