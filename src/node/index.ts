/**
 * Holdfast on Node.js: `ws` as Dialer and Listener.
 *
 * @since 0.1.0
 */
export * as Inspector from "./Inspector.js"
export * as NodeDialer from "./NodeDialer.js"
export * as NodeListener from "./NodeListener.js"
