/** The identity that an application gives those who connect. */

/**
 * The owner of a session. `id` is what a resume must be authenticated as
 * again; add whatever else the application wants to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface Principal {
  readonly id: string
  /**
   * Until when this holds, in milliseconds since the epoch; without it, as long as the session does. A connected client
   * is asked for a fresh token `refreshBefore` then, which `authenticate` looks at again. A connection that
   * has brought none by then is closed with 4401, and its session kept for its resume window: coming back, the client is
   * authenticated anyway.
   */
  readonly expiresAt?: number | undefined
}
