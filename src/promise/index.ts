/**
 * Holdfast for programs without Effect. It is in the bundle all the same: what runs is the same client.
 *
 * @since 0.1.0
 */
export * from "./PromiseClient.js"
