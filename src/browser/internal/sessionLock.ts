/**
 * A Web Lock on a session: a second guard against two pages on one. Storage
 * that is copied while nobody has claimed what is in it, before a page has
 * made its client, say, is claimed by both pages. There are locks in secure
 * contexts alone.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A page that is being left may hold its lock for a moment still, in milliseconds. */
const patience = 1000

type Release = () => void

/** Waits for the lock; interrupted, it gives up the wait, or the lock. */
const hold = (locks: LockManager, name: string): Effect.Effect<Release> =>
  Effect.async((resume) => {
    const waiting = new AbortController()
    let release: Release | undefined
    const granted = () =>
      new Promise<void>((resolve) => {
        release = resolve
        resume(Effect.succeed(resolve))
      })
    // Where locks are not allowed the name in the storage is the only guard, as where there are none.
    locks.request(name, { signal: waiting.signal }, granted).catch(() => resume(Effect.succeed(() => {})))
    return Effect.sync(() => {
      waiting.abort()
      release?.()
    })
  })

export class SessionLock {
  private release: Release | undefined
  /** The session that is locked, or is to be. */
  private session: string | undefined

  constructor(
    private readonly locks: LockManager | undefined,
    /** Runs a fiber that is interrupted with the scope of the client. */
    private readonly fork: (effect: Effect.Effect<void>) => void
  ) {}

  /** Whether no other page has this session. */
  claim(session: string): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      this.drop()
      this.session = session
      if (this.locks === undefined) return Effect.succeed(true)
      return Effect.map(Effect.timeoutOption(hold(this.locks, `holdfast/${session}`), patience), (release) => {
        if (Option.isNone(release)) return false
        if (this.session === session) this.release = release.value
        else release.value()
        return true
      })
    })
  }

  /** Has the lock of a session that is this page's own, as soon as may be. */
  take(session: string): void {
    if (this.session !== session) this.fork(Effect.asVoid(this.claim(session)))
  }

  drop(): void {
    this.release?.()
    this.release = undefined
    this.session = undefined
  }
}
