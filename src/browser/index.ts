/**
 * Holdfast for browsers.
 *
 * @since 0.1.0
 */
export * as BrowserClient from "./BrowserClient.js"
export * as BrowserDialer from "./BrowserDialer.js"
export * as PageEvents from "./PageEvents.js"
export * as PageSession from "./PageSession.js"
