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
   * is asked for a fresh token `refreshBefore` then, which `authenticate` looks at again; a session whose client is
   * connected then and has brought none ends with `NotAuthenticated`. One whose client is away does not: coming back, the
   * client is authenticated anyway.
   */
  readonly expiresAt?: number | undefined
}
