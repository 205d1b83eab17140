/**
 * The interruptions that a page knows of.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type HostEvent, HostEvents, type Service } from "../connection/HostEvents.js"

const listenTo = (
  target: EventTarget,
  type: string,
  listener: (event: Event) => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => target.addEventListener(type, listener)),
    () => Effect.sync(() => target.removeEventListener(type, listener))
  )

/** Of the back/forward cache, and not of a page that has loaded or is destroyed. */
const isOfCache = (event: Event): boolean => !("persisted" in event) || event.persisted === true

/**
 * - `Awake` when the network is back (`online`), the page is shown again (`visibilitychange`, and `pageshow` out of the
 *   back/forward cache), or it was frozen and goes on (`resume`).
 * - `Leaving` when the page is left for the cache (`pagehide`): it may come back out of it with a connection that is long dead,
 *   and some browsers cache no page that has one.
 *
 * In a worker there are fewer of these. The timers of a hidden page are throttled, messages are not: what arrives moves the
 * read deadline at once, and the server's pings are answered at once.
 *
 * @since 0.1.0
 * @category implementations
 */
export const pageEvents: Service = {
  listen: (listener) =>
    Effect.gen(function* () {
      const tell = (event: HostEvent) => () => listener(event)
      if (typeof globalThis.addEventListener !== "function") return
      yield* listenTo(globalThis, "online", tell("Awake"))
      if (typeof document === "undefined") return
      const shown = () => {
        if (document.visibilityState === "visible") listener("Awake")
      }
      yield* listenTo(document, "visibilitychange", shown)
      yield* listenTo(document, "resume", tell("Awake"))
      yield* listenTo(globalThis, "pageshow", (event) => {
        if (isOfCache(event)) listener("Awake")
      })
      // A page that is destroyed has its socket closed by the browser, which says 1001, as a page may not.
      yield* listenTo(globalThis, "pagehide", (event) => {
        if (isOfCache(event)) listener("Leaving")
      })
    })
}

/**
 * The page as the source of a client's `HostEvents`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HostEvents> = Layer.succeed(HostEvents, pageEvents)
