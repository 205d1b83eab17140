/**
 * The phases of a hosted session, and what becomes of it in the store and in the broker when it is over. Each phase is entered
 * once, in the order of the union.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { bounded } from "../../connection/bounded.js"
import { serviceRetry } from "../../connection/outage.js"
import type { Fenced, StoreUnavailable } from "../../protocol/ConnectionError.js"
import type { Principal, SessionEnd } from "../GatewaySession.js"
import type { PresenceTracker } from "../topics/presenceTracker.js"
import { tombstone } from "./endReason.js"
import type { FencedStore } from "./fencedStore.js"
import type { SessionServices } from "./sessionServices.js"

type Services<P extends Principal, R> = Pick<
  SessionServices<never, never, P, R>,
  "options" | "store" | "topics" | "fork" | "farewells"
>

/**
 * The standing in the store of a session that is over here: this gateway removed it,
 * or it is kept there, or was gone before, or another gateway has it.
 */
export type Standing = "Removed" | "Kept" | "Gone" | "Elsewhere"

/**
 * - `Open`: it lives here.
 * - `Draining`: it begins no further message, and ends with `Shutdown`.
 * - `Ending`: it is over, and the store is asked to forget it, by this fiber.
 * - `Ended`: the store has answered.
 */
type Phase =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Draining" }
  | { readonly _tag: "Ending"; readonly end: SessionEnd; readonly fiber: Fiber.RuntimeFiber<void> | undefined }
  | { readonly _tag: "Ended"; readonly end: SessionEnd; readonly standing: Standing }

const open: Phase = { _tag: "Open" }
const draining: Phase = { _tag: "Draining" }

export class SessionEnding<P extends Principal, R> {
  private phase: Phase = open

  constructor(
    private readonly services: Services<P, R>,
    private readonly id: string,
    private readonly fencedStore: FencedStore
  ) {}

  /** Why it is over, once it is. */
  get end(): SessionEnd | undefined {
    const { phase } = this
    return phase._tag === "Open" || phase._tag === "Draining" ? undefined : phase.end
  }

  /** How a session ends whose client has nothing more to say, or is not heard any more. */
  get whenDone(): SessionEnd {
    return this.phase._tag === "Draining" ? { _tag: "Shutdown" } : { _tag: "Bye" }
  }

  drain(): void {
    if (this.phase._tag === "Open") this.phase = draining
  }

  /** It is over for this reason; false when it was already. */
  begin(end: SessionEnd): boolean {
    if (this.end !== undefined) return false
    this.phase = { _tag: "Ending", end, fiber: undefined }
    return true
  }

  /**
   * Has the store and the broker forget it, at once, whatever the handler is at: a client that returns must hear of it.
   * `known` is what the store says of it, if that has said it; `presence` has the topics that it is a member of, if there may be any.
   */
  release(end: SessionEnd, known: Standing | undefined, presence: PresenceTracker | undefined): void {
    const standing = known === undefined ? this.forget(end) : Effect.succeed(known)
    const ended = Effect.map(standing, (standing) => {
      this.phase = { _tag: "Ended", end, standing }
      this.leave(end, standing, presence)
    })
    const fiber = this.services.fork(Effect.uninterruptible(ended))
    // A store that answers at once has done so.
    if (this.phase._tag === "Ending") this.phase = { _tag: "Ending", end, fiber }
  }

  /** Waits until the store has answered, or was waited for long enough. */
  private get released(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.phase._tag === "Ending" && this.phase.fiber !== undefined
        ? Effect.asVoid(Fiber.await(this.phase.fiber))
        : Effect.void
    )
  }

  /** Once it has ended: 1 when this gateway has removed it from the store, 0 when it was gone or cannot be. */
  get removal(): Effect.Effect<number> {
    return Effect.map(this.released, () => (this.phase._tag === "Ended" && this.phase.standing === "Removed" ? 1 : 0))
  }

  /** The last thing: the application hears of it. The gateway's end waits for this, so neither the store nor the application may hold it up. */
  farewell<R1>(onClose: (end: SessionEnd) => Effect.Effect<void, never, R1>): Effect.Effect<void, never, R1> {
    const closed = Effect.suspend(() => {
      const { end } = this
      if (end === undefined) return Effect.void
      return Effect.catchAllCause(onClose(end), (cause) => Effect.logError("holdfast: onClose failed", cause))
    })
    return Effect.flatMap(
      bounded(Effect.zipRight(this.released, closed), this.services.options.closeTimeout),
      (done) =>
        Option.isSome(done)
          ? Effect.void
          : Effect.logWarning(`holdfast: session ${this.id} ended without waiting longer for its store and onClose`)
    )
  }

  // ---- the store

  /** Within `closeTimeout`. */
  private forget(over: SessionEnd): Effect.Effect<Standing> {
    const { id } = this
    const left = (why: string) =>
      Effect.as(Effect.logWarning(`holdfast: session ${id} is left to expire: ${why}`), "Kept" as const)
    return bounded(this.forgotten(over), this.services.options.closeTimeout).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => left("the store does not answer"),
          onSome: (standing) => Effect.succeed(standing)
        })
      ),
      Effect.catchAll((error) => left(error.message))
    )
  }

  private forgotten(over: SessionEnd): Effect.Effect<Standing, StoreUnavailable> {
    const { fencedStore, id } = this
    const { options, store, topics } = this.services
    const done = Effect.suspend((): Effect.Effect<Standing, Fenced | StoreUnavailable> => {
      switch (over._tag) {
        case "Lost":
          return Effect.succeed<Standing>("Gone")
        case "MovedAway":
          return topics?.hasMembers === true ? this.asked : Effect.succeed<Standing>("Elsewhere")
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
      Effect.retry({ schedule: serviceRetry, times: 5 })
    )
  }

  /** Changes nothing; fails with `Fenced` when it is not this gateway's any more. */
  private get asked(): Effect.Effect<Standing, Fenced | StoreUnavailable> {
    const { fencedStore, id } = this
    const nothing = this.services.store.acknowledge(id, fencedStore.generation, { acked: 0, processed: 0 })
    return Effect.as(nothing, "Kept")
  }

  // ---- the broker

  /** Leaves its topics; nobody waits for that but the gateway's end. */
  private leave(over: SessionEnd, standing: Standing, presence: PresenceTracker | undefined): void {
    const { farewells, fork, topics } = this.services
    if (topics?.hasMembers === true) farewells.add(fork(this.left(over, standing, presence)))
  }

  /**
   * Nobody's member any more; after a shutdown only if no other gateway resumes
   * it. Asks for as long as the broker fails: of a member that is nobody's
   * nobody else would ever know.
   */
  private left(over: SessionEnd, standing: Standing, presence: PresenceTracker | undefined): Effect.Effect<void> {
    const { options, topics } = this.services
    const { id } = this
    if (topics === undefined || standing === "Elsewhere") return Effect.void
    const mayBeResumed = over._tag === "Shutdown" && standing === "Kept"
    const after = mayBeResumed ? options.resumeWindow : 0
    if (presence === undefined) return topics.patiently(topics.broker.leave(id, { after }))
    const left = presence.leaveAll(after)
    if (!mayBeResumed) return left
    // Whoever has resumed it by now may have joined before that.
    const undone = this.asked.pipe(
      Effect.catchTag("Fenced", ({ gone }) => (gone ? Effect.void : presence.rejoinAll)),
      Effect.catchTag("StoreUnavailable", () => Effect.void)
    )
    return Effect.zipRight(left, undone)
  }
}
