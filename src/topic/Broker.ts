/**
 * Where publications go: the service, and its Layer in memory.
 *
 * @since 0.1.0
 */
export * from "./brokerService.js"
export { layer as layerMemory, type MemoryOptions, make as makeMemory } from "./memoryBroker.js"
