/**
 * All that a client needs in a page, in one Layer.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import type { Dialer } from "../connection/Dialer.js"
import * as BrowserDialer from "./BrowserDialer.js"
import * as PageEvents from "./PageEvents.js"
import * as PageSession from "./PageSession.js"

/**
 * The options of a client in a page.
 *
 * @since 0.1.0
 * @category models
 */
export interface BrowserClientOptions {
  /** Keeps the session, so that a page that is loaded again resumes it: see `PageSession.make`. By default it is not kept. */
  readonly keepSession?: PageSession.PageSessionOptions | undefined
}

/**
 * Dials with the page's WebSocket, tries again and judges its connection when the page comes back, and keeps the session if
 * asked to.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: BrowserClientOptions): Layer.Layer<Dialer> => {
  const keepSession = options?.keepSession
  const dialer = Layer.merge(BrowserDialer.layer, PageEvents.layer)
  return keepSession === undefined ? dialer : Layer.merge(dialer, PageSession.layer(keepSession))
}
