/**
 * Holdfast for browsers.
 *
 * @since 0.1.0
 */
export * as BrowserDialer from "./BrowserDialer.js"
