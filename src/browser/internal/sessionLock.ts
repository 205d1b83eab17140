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

/** Waits for the lock, and has it until `holding` is aborted: at any time, whether its fiber goes on or not. */
const hold = (locks: LockManager, name: string, holding: AbortController): Effect.Effect<void> =>
  Effect.async((resume) => {
    const { signal } = holding
    const granted = () => {
      if (signal.aborted) return undefined
      resume(Effect.void)
      return new Promise<void>((release) => signal.addEventListener("abort", () => release()))
    }
    // Where locks are not allowed the name in the storage is the only guard, as where there are none.
    locks.request(name, { signal }, granted).catch(() => resume(Effect.void))
    return Effect.sync(() => holding.abort())
  })

export class SessionLock {
  /** The session that is locked, or is to be. */
  private session: string | undefined
  /** Gives up the wait for its lock, or the lock. */
  private release: () => void = () => {}

  constructor(
    private readonly locks: LockManager | undefined,
    /** Runs a fiber that is interrupted with the scope of the client. */
    private readonly fork: (effect: Effect.Effect<void>) => void
  ) {}

  /** True when no other page has this session. Whoever claims it drops it in the end, answered or not. */
  claim(session: string): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      this.drop()
      this.session = session
      const { locks } = this
      if (locks === undefined) return Effect.succeed(true)
      const holding = new AbortController()
      this.release = () => holding.abort()
      const held = hold(locks, `holdfast/${session}`, holding)
      return Effect.map(Effect.timeoutOption(held, patience), Option.isSome)
    })
  }

  /** Has the lock of a session that is this page's own, as soon as may be. */
  take(session: string): void {
    if (this.session !== session) this.fork(Effect.asVoid(this.claim(session)))
  }

  drop(): void {
    this.release()
    this.release = () => {}
    this.session = undefined
  }
}
