/**
 * Where gateways keep what a session needs to be resumed: the service, and its Layer in memory.
 *
 * @since 0.1.0
 */
export { layer as layerMemory, type MemoryOptions, make as makeMemory } from "./memoryStore.js"
export * from "./sessionStoreService.js"
