/** A session's invitations in the store, so that they are known to whatever gateway it comes to: the latest that were told. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Invitation, SessionStore } from "../../session/SessionStore.js"
import type { FencedStore } from "./fencedStore.js"

interface Services {
  readonly store: SessionStore["Type"]
  /** Runs a fiber that the gateway supervises. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

export class InvitationRecord {
  /** Those that the store has yet to be told. */
  private untold: ReadonlyArray<Invitation> | undefined
  private telling: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly services: Services,
    private readonly id: string,
    private readonly fencedStore: FencedStore
  ) {}

  note(invitations: ReadonlyArray<Invitation>): void {
    this.untold = invitations
    if (this.telling !== undefined) return
    const fiber = this.services.fork(this.tellAll)
    this.telling = fiber
    // At once, where a store in memory has answered already.
    fiber.addObserver(() => {
      this.telling = undefined
    })
  }

  private get tellAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fencedStore, id, untold: invitations } = this
      if (invitations === undefined || fencedStore.isOver) return Effect.void
      this.untold = undefined
      const told = fencedStore.run((generation) =>
        this.services.store.acknowledge(id, generation, { acked: 0, processed: 0, invitations })
      )
      return Effect.zipRight(told, this.tellAll)
    })
  }

  /** Waits until the store was told of all, or the session is over. */
  get settled(): Effect.Effect<void> {
    return Effect.suspend(() => (this.telling === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.telling))))
  }
}
