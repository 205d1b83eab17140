/** What becomes of a session in the store and in the broker when it is over. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreUnavailable } from "../ConnectionError.js"
import type { Principal, SessionEnd } from "../GatewaySession.js"
import type { Resolved } from "../Options.js"
import type { SessionStore } from "../SessionStore.js"
import { bounded } from "./bounded.js"
import { type GatewayTopics, patiently } from "./gatewayTopics.js"
import { type Ownership, storeRetry } from "./ownership.js"
import { tombstone } from "./sessionEnd.js"

interface Host<P extends Principal, R> {
  readonly options: Resolved
  readonly store: SessionStore["Type"]
  readonly topics: GatewayTopics<P, R> | undefined
}

interface Forgotten {
  readonly id: string
  readonly ownership: Ownership
  /** Its departure is arranged already, as it is at a shutdown. */
  readonly hasLeft: boolean
}

/** Within `closeTimeout`; whether it was removed from the store. */
export const forget = <P extends Principal, R>(
  host: Host<P, R>,
  session: Forgotten,
  over: SessionEnd
): Effect.Effect<boolean> => {
  if (over._tag === "MovedAway") return Effect.succeed(false)
  const both = Effect.zipWith(
    fromStore(host, session, over),
    session.hasLeft ? Effect.void : leave(host, session, over),
    (removed) => removed,
    {
      concurrent: true
    }
  )
  const left = (why: string) =>
    Effect.as(Effect.logWarning(`holdfast: session ${session.id} is left to expire: ${why}`), false)
  return bounded(both, host.options.closeTimeout).pipe(
    Effect.flatMap(
      Option.match({
        onNone: () => left("the store or the broker does not answer"),
        onSome: Effect.succeed
      })
    ),
    Effect.catchAll((error) => left(error.message))
  )
}

const fromStore = <P extends Principal, R>(
  { options, store }: Host<P, R>,
  { id, ownership }: Forgotten,
  over: SessionEnd
): Effect.Effect<boolean, StoreUnavailable> => {
  const done = Effect.suspend(() =>
    over._tag === "Shutdown"
      ? Effect.as(store.detach(id, ownership.generation, options.resumeWindow), false)
      : Effect.as(store.remove(id, ownership.generation, tombstone(over)), true)
  )
  // A takeover that the store is answering comes first: what it attaches is removed with it.
  return ownership.exclusively(done).pipe(
    // Another gateway has it: nothing of it is ours to remove.
    Effect.catchTag("Fenced", () => Effect.succeed(false)),
    Effect.retry({ schedule: storeRetry, times: 5 })
  )
}

/** Nobody's member any more; after a shutdown only if no other gateway resumes it. */
export const leave = <P extends Principal, R>(
  { options, topics }: Host<P, R>,
  { id }: Pick<Forgotten, "id">,
  over: SessionEnd
): Effect.Effect<void> =>
  topics?.hasMembers === true
    ? patiently(topics.broker.leave(id, { after: over._tag === "Shutdown" ? options.resumeWindow : 0 }))
    : Effect.void
