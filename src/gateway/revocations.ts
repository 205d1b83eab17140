/**
 * Disconnects that came while hellos were being looked at: each hello sees what
 * has come since its own beginning, because what was found out about it since
 * may be older than the disconnect.
 */
import type * as Effect from "effect/Effect"
import { releasing } from "../connection/syncEffect.js"
import type { Target } from "../session/SessionStore.js"

interface Revocation {
  readonly target: Target
  readonly reason: string
}

/** A hello that is being looked at. */
export interface Watch {
  /** Why this principal, or this session of it, was disconnected since the hello came. */
  readonly reason: (principal: string, session?: string) => string | undefined
}

export const isTarget = (target: Target, principal: string, session: string | undefined): boolean =>
  "session" in target ? target.session === session : target.principal === principal

export class Revocations {
  /** Those that some hello may have to see, and how many came before them. */
  private recent: Array<Revocation> = []
  private forgotten = 0
  /** The place where each hello begins to look, oldest first. */
  private readonly watches = new Map<Watch, number>()

  note(target: Target, reason: string): void {
    if (this.watches.size > 0) this.recent.push({ target, reason })
  }

  /** Looks at a hello; for no longer than what is left to do, if anything is. */
  during<E, R>(use: (watch: Watch) => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> {
    const watch = this.open()
    return releasing(
      () => use(watch),
      () => this.close(watch)
    )
  }

  private open(): Watch {
    const from = this.forgotten + this.recent.length
    const watch: Watch = {
      reason: (principal, session) => {
        const since = this.recent.slice(from - this.forgotten)
        return since.find(({ target }) => isTarget(target, principal, session))?.reason
      }
    }
    this.watches.set(watch, from)
    return watch
  }

  private close(watch: Watch): void {
    this.watches.delete(watch)
    const [oldest = this.forgotten + this.recent.length] = this.watches.values()
    this.recent = this.recent.slice(oldest - this.forgotten)
    this.forgotten = oldest
  }
}
