/**
 * Keeps a client's session in the page's `sessionStorage`, so that the page
 * resumes it when it is loaded again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Service, SessionKeeper } from "../client/SessionKeeper.js"
import { wallTime } from "../connection/clocks.js"
import { open } from "./internal/storageKeeper.js"

/**
 * The name that a session is kept under, and the storage that it is kept in.
 *
 * @since 0.1.0
 * @category models
 */
export interface PageSessionOptions {
  /**
   * Names the session in the storage: say whose it is, and of which server. What a client has not delivered, the next one with
   * the same key does, whoever it has been authenticated as by then.
   */
  readonly key: string
  /** Default `globalThis.sessionStorage`. */
  readonly storage?: (() => Storage) | undefined
}

/**
 * A session is kept with what was sent and not yet processed. A page that is loaded again within the resume window goes on with
 * it: the server hears what it was sent, the page gets what it had not processed, once and in order; a message that was just
 * being processed when the page was left comes again. The end of the client's scope leaves the session, too, as when
 * `BrowserRuntime.runMain` interrupts a program whose page is unloaded; `client.close` ends it.
 *
 * No two pages ever have one session. A browser copies the storage of a page that is duplicated; the copy sees that the session
 * is in use, and starts its own. So does a page whose browser crashed, or was ended by its system without notice. The storage is
 * the tab's own: other tabs do not see it, and it goes when the tab is closed. Whoever can run a script in the page can read
 * it, as they can everything of the page.
 *
 * Where the storage is full or not allowed, nothing is kept, and the client says `NotKept`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: PageSessionOptions): Service => ({
  open: ({ failed, subprotocol }) =>
    Effect.flatMap(Effect.clock, (clock) =>
      open({
        storage: options.storage ?? (() => globalThis.sessionStorage),
        key: options.key,
        subprotocol,
        failed,
        page: typeof globalThis.addEventListener === "function" ? globalThis : undefined,
        locks: globalThis.navigator?.locks,
        now: () => wallTime(clock)
      })
    )
})

/**
 * The keeper of a page's session as a Layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: PageSessionOptions): Layer.Layer<SessionKeeper> =>
  Layer.succeed(SessionKeeper, make(options))
