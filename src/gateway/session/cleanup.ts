/** What becomes of a session in the store and in the broker when it is over. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bounded } from "../../connection/bounded.js"
import type { Resolved } from "../../connection/Options.js"
import type { Fenced, StoreUnavailable } from "../../protocol/ConnectionError.js"
import type { SessionStore } from "../../session/SessionStore.js"
import type { Principal, SessionEnd } from "../GatewaySession.js"
import type { PresenceTracker } from "../topics/presenceTracker.js"
import type { TopicRegistry } from "../topics/topicRegistry.js"
import { tombstone } from "./endReason.js"
import { type FencedStore, storeRetry } from "./fencedStore.js"

interface Host<P extends Principal, R> {
  readonly options: Resolved
  readonly store: SessionStore["Type"]
  readonly topics: TopicRegistry<P, R> | undefined
}

interface Forgotten {
  readonly id: string
  readonly fencedStore: FencedStore
  readonly presence: PresenceTracker | undefined
}

/**
 * What the store says of a session that is over here: this gateway removed it,
 * or it is kept there, or was gone before, or another gateway has it.
 */
export type Standing = "Removed" | "Kept" | "Gone" | "Elsewhere"

/** Within `closeTimeout`. */
export const forget = <P extends Principal, R>(
  host: Host<P, R>,
  session: Forgotten,
  over: SessionEnd
): Effect.Effect<Standing> => {
  const left = (why: string) =>
    Effect.as(Effect.logWarning(`holdfast: session ${session.id} is left to expire: ${why}`), "Kept" as const)
  return bounded(fromStore(host, session, over), host.options.closeTimeout).pipe(
    Effect.flatMap(
      Option.match({ onNone: () => left("the store does not answer"), onSome: (standing) => Effect.succeed(standing) })
    ),
    Effect.catchAll((error) => left(error.message))
  )
}

const fromStore = <P extends Principal, R>(
  host: Host<P, R>,
  { id, fencedStore }: Forgotten,
  over: SessionEnd
): Effect.Effect<Standing, StoreUnavailable> => {
  const { options, store } = host
  const done = Effect.suspend((): Effect.Effect<Standing, Fenced | StoreUnavailable> => {
    switch (over._tag) {
      case "Lost":
        return Effect.succeed<Standing>("Gone")
      case "MovedAway":
        return host.topics?.hasMembers === true ? ask(host, { id, fencedStore }) : Effect.succeed<Standing>("Elsewhere")
      case "Shutdown":
        return Effect.as(store.detach(id, fencedStore.generation, options.resumeWindow), "Kept")
      default:
        return Effect.as(store.remove(id, fencedStore.generation, tombstone(over)), "Removed")
    }
  })
  // A takeover that the store is answering comes first: what it attaches is removed with it.
  return fencedStore.exclusively(done).pipe(
    // Another gateway has it: nothing of it is ours to remove.
    Effect.catchTag("Fenced", ({ gone }) => Effect.succeed<Standing>(gone ? "Gone" : "Elsewhere")),
    Effect.retry({ schedule: storeRetry, times: 5 })
  )
}

/** Changes nothing; fails with `Fenced` when it is not this gateway's any more. */
const ask = <P extends Principal, R>(
  { store }: Host<P, R>,
  { id, fencedStore }: Pick<Forgotten, "id" | "fencedStore">
): Effect.Effect<Standing, Fenced | StoreUnavailable> =>
  Effect.as(store.acknowledge(id, fencedStore.generation, { acked: 0, processed: 0 }), "Kept")

/**
 * Nobody's member any more; after a shutdown only if no other gateway resumes
 * it. Asks for as long as the broker fails: of a member that is nobody's
 * nobody else would ever know.
 */
export const leave = <P extends Principal, R>(
  host: Host<P, R>,
  session: Forgotten,
  over: SessionEnd,
  standing: Standing
): Effect.Effect<void> => {
  const { options, topics } = host
  const { presence, id } = session
  if (topics?.hasMembers !== true || standing === "Elsewhere") return Effect.void
  const mayBeResumed = over._tag === "Shutdown" && standing === "Kept"
  const after = mayBeResumed ? options.resumeWindow : 0
  if (presence === undefined) return topics.patiently(topics.broker.leave(id, { after }))
  const left = presence.leaveAll(after)
  if (!mayBeResumed) return left
  // Whoever has resumed it by now may have joined before that.
  const undone = ask(host, session).pipe(
    Effect.catchTag("Fenced", ({ gone }) => (gone ? Effect.void : presence.rejoinAll)),
    Effect.catchTag("StoreUnavailable", () => Effect.void)
  )
  return Effect.zipRight(left, undone)
}
