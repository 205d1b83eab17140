/**
 * Events of the store, which it tells by itself, passed on to the sessions that live here. What
 * it says of one that this gateway is asking for waits for the answer, which
 * decides: the generation that took over may be this gateway's own.
 */
import type * as Effect from "effect/Effect"
import { releasing } from "../connection/syncEffect.js"
import type { Loss, Watcher } from "../session/SessionStore.js"

/** A session that lives here. */
interface Hearer {
  readonly heard: (generation: number, loss: Loss) => void
  readonly askForMail: () => void
}

interface Asking {
  questions: number
  loss: { readonly generation: number; readonly loss: Loss } | undefined
  mail: boolean
}

export class StoreEvents implements Watcher {
  private readonly asking = new Map<string, Asking>()

  constructor(private readonly sessions: ReadonlyMap<string, Hearer>) {}

  /** Asks the store for a session, and does with it what there is to do. */
  during<A, E, R>(id: string, ask: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const asking = this.enter(id)
    return releasing(ask, () => this.leave(id, asking))
  }

  private enter(id: string): Asking {
    const asking = this.asking.get(id) ?? { questions: 0, loss: undefined, mail: false }
    asking.questions++
    this.asking.set(id, asking)
    return asking
  }

  private leave(id: string, asking: Asking): void {
    if (--asking.questions > 0) return
    this.asking.delete(id)
    if (asking.loss !== undefined) this.sessions.get(id)?.heard(asking.loss.generation, asking.loss.loss)
  }

  readonly lost = (id: string, generation: number, loss: Loss): void => {
    const asking = this.asking.get(id)
    if (asking === undefined) return this.sessions.get(id)?.heard(generation, loss)
    // The last word on a session is that it is gone.
    const isNewer = asking.loss === undefined || generation > asking.loss.generation
    if (isNewer || loss._tag === "Removed") asking.loss = { generation, loss }
  }

  readonly mail = (id: string): void => {
    const session = this.sessions.get(id)
    const asking = this.asking.get(id)
    if (session !== undefined) session.askForMail()
    else if (asking !== undefined) asking.mail = true
  }

  /** True when there may be mail that came after the store gave the session that begins here now. */
  hasMail(id: string): boolean {
    return this.asking.get(id)?.mail ?? false
  }
}
