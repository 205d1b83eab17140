/** Ends sessions of a gateway and of its store at once, wherever they stand. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { StoreUnavailable } from "../protocol/ConnectionError.js"
import type { Target } from "../session/SessionStore.js"
import type { Principal } from "./GatewaySession.js"
import type { PendingSessions } from "./pendingSessions.js"
import { isTarget, type Revocations } from "./revocations.js"
import type { HostedSession } from "./session/hostedSession.js"
import type { SessionServices } from "./session/sessionServices.js"

export const disconnect = <C, S, P extends Principal, R>(
  { fork, store }: Pick<SessionServices<C, S, P, R>, "store" | "fork">,
  sessions: ReadonlyMap<string, HostedSession<C, S, P, R>>,
  pending: PendingSessions,
  revocations: Revocations,
  target: Target,
  reason: string
): Effect.Effect<number, StoreUnavailable> => {
  const ending = Effect.suspend(() => {
    revocations.note(target, reason)
    const here = [...sessions.values()].filter(({ id, principal }) => isTarget(target, principal.id, id))
    const end = { _tag: "Ended", reason, final: true } as const
    for (const session of here) session.finish(end)
    // Each session is removed from the store once, by whoever comes first; that one counts it.
    const removals = [...here.map((session) => session.removal), ...pending.removals(target), store.revoke(target, end)]
    return Effect.map(Effect.all(removals, { concurrency: "unbounded" }), (counts) =>
      counts.reduce((sum, count) => sum + count, 0)
    )
  })
  // The caller may be a handler of a session that is ended by this, and interrupted for it.
  return Effect.suspend(() => {
    let outcome: Effect.Effect<number, StoreUnavailable> = Effect.interrupt
    const fiber = fork(
      Effect.map(Effect.exit(ending), (exit) => {
        outcome = exit
      })
    )
    return Effect.flatMap(Fiber.await(fiber), () => outcome)
  })
}
