/** Slots of a storage that clients of this page have: one that is made while another ends waits for it, and goes on with its session. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Claim } from "../../connection/claim.js"

/** How long a client waits for the end of one that was interrupted, in milliseconds: a close takes no longer by default. */
const patience = 5000

/** By the storage, for as long as the page has it, and by the key. */
const known = new WeakMap<Storage, Map<string, PageClaims>>()

export class PageClaims {
  private readonly claims = new Set<Claim>()

  static of(storage: Storage, key: string): PageClaims {
    const ofStorage = known.get(storage) ?? new Map<string, PageClaims>()
    known.set(storage, ofStorage)
    const found = ofStorage.get(key) ?? new PageClaims()
    ofStorage.set(key, found)
    return found
  }

  /** Counts what was claimed just now, until the scope closes. */
  readonly add: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    const claim = new Claim()
    this.claims.add(claim)
    return Effect.zipRight(
      claim.scoped,
      Effect.addFinalizer(() => Effect.sync(() => this.claims.delete(claim)))
    )
  })

  /** Waits for one client that is being interrupted; whether there was one, which has let go of its session. */
  readonly oneLeft: Effect.Effect<boolean> = Effect.gen(this, function* () {
    for (const claim of [...this.claims]) {
      if (yield* claim.isLeft(patience)) return true
    }
    return false
  })
}
