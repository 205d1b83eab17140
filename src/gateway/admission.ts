/**
 * How a client, whose hello was heard and who is known, comes to its session:
 * a new one, one that lives here, or one that the store remembers. What the credentials and the store answer at once is gone
 * on with at once.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { bounded } from "../connection/bounded.js"
import { serviceRetry } from "../connection/outage.js"
import { andThen } from "../connection/syncEffect.js"
import { CloseCode } from "../protocol/CloseCode.js"
import type { StoreUnavailable } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import type { Credentials } from "../session/Credentials.js"
import { ask } from "../session/operation.js"
import type { Attached, AttachRequest, StoredSession } from "../session/SessionStore.js"
import * as sessionMachine from "../session/sessionMachine.js"
import type { Principal, SessionEnd } from "./GatewaySession.js"
import { type PendingSession, PendingSessions } from "./pendingSessions.js"
import { refuse, SessionQuota } from "./quota/sessionQuota.js"
import { type Decision, plan } from "./resumePlan.js"
import { HostedSession } from "./session/hostedSession.js"
import type { Origin } from "./session/origin.js"
import type { SessionServices } from "./session/sessionServices.js"
import { StoreEvents } from "./storeEvents.js"
import { orGiveBack } from "./storeQuestion.js"
import { type Greeted, welcome } from "./welcome.js"

/** The rest of an admission, still to be done. */
type Rest = Effect.Effect<void, StoreUnavailable>

const drawn = (draw: Credentials["Type"]["id"]): Effect.Effect<string> =>
  draw.immediate === undefined ? draw : Effect.succeed(draw.immediate())

/** Of a session that begins. */
const nothingStored = { outbound: [], refused: [], invitations: [] }

export class Admission<C, S, P extends Principal, R> {
  readonly pending: PendingSessions
  readonly storeEvents: StoreEvents
  private readonly quota: SessionQuota

  constructor(
    private readonly services: SessionServices<C, S, P, R>,
    private readonly credentials: Credentials["Type"],
    /** Those that live here, by id. */
    private readonly sessions: Map<string, HostedSession<C, S, P, R>>
  ) {
    this.quota = new SessionQuota(services.options)
    this.storeEvents = new StoreEvents(sessions)
    this.pending = new PendingSessions(this.quota, services.options.closeTimeout)
  }

  /** Gives a client its session, resumed or new, or closes the connection with the reason; tells what is left to do of that. */
  admit(client: Greeted<P>): Rest {
    // Who has left meanwhile has no use for a session.
    if (client.live.end !== undefined) return Effect.void
    const { resume } = client.hello
    return resume === undefined ? this.begin(client, undefined) : this.resume(client, resume)
  }

  // ---- a new session

  private begin(client: Greeted<P>, reason: Protocol.ResetReason | undefined): Rest {
    const { codec, live, principal, watch } = client
    const revoked = watch.reason(principal.id)
    const full = this.quota.fullFor(principal.id)
    if (revoked !== undefined) live.close(CloseCode.SessionEnded, revoked)
    else if (full !== undefined) refuse(live, codec, full)
    else return this.pending.during(principal.id, (pending) => this.create(client, reason, pending))
    return Effect.void
  }

  private create(client: Greeted<P>, reason: Protocol.ResetReason | undefined, pending: PendingSession): Rest {
    const { credentials } = this
    const { codec, principal } = client
    const { store } = this.services
    return andThen(drawn(credentials.id), (id) => {
      pending.id = id
      return andThen(drawn(credentials.secret), (secret) =>
        andThen(ask(credentials.hash, secret), (secretHash) => {
          const session = { id, principal: principal.id, subprotocol: codec.subprotocol, secretHash }
          const remove = Effect.ignore(store.remove(id, 1))
          const use = () => this.created(client, reason, pending, secret, remove)
          return this.storeEvents.during(id, () => {
            const created = store.create.immediate?.(session)
            if (created !== undefined) return andThen(created, use)
            return orGiveBack(this.services, store.create(session), use, () =>
              pending.registered ? Effect.void : remove
            )
          })
        })
      )
    })
  }

  /** The store has the new session. */
  private created(
    client: Greeted<P>,
    reason: Protocol.ResetReason | undefined,
    pending: PendingSession,
    secret: string,
    remove: Effect.Effect<void>
  ): Effect.Effect<void> {
    const { codec, live, principal, watch } = client
    const { id = "" } = pending
    const revoked = watch.reason(principal.id, id)
    if (revoked !== undefined) {
      return Effect.map(this.revoke(client, id, 1, revoked), (removed) => {
        pending.removed = removed
      })
    }
    // A client that has gone before its welcome knows of no session.
    if (live.end !== undefined) return remove
    const state = sessionMachine.initial(this.services.options.replayMessages)
    pending.registered = true
    const session = this.register({ id, principal, codec, generation: 1, state, ...nothingStored })
    welcome(this.services, session, client, 1, secret, { resumed: false, reason })
    session.start()
    return Effect.void
  }

  // ---- one that the store remembers

  private resume(client: Greeted<P>, resume: Protocol.Resume): Rest {
    const { credentials } = this
    return andThen(drawn(credentials.secret), (secret) =>
      andThen(ask(credentials.hash, secret), (nextSecretHash) =>
        andThen(ask(credentials.hash, resume.secret), (secretHash) => {
          // Who has left meanwhile has no use for the session, and may have come back for it already.
          if (client.live.end !== undefined) return Effect.void
          const { attempt, session: id } = resume
          const request = { id, principal: client.principal.id, secretHash, nextSecretHash, attempt }
          return this.storeEvents.during(id, () => this.attach(client, request, secret))
        })
      )
    )
  }

  private attach(client: Greeted<P>, request: AttachRequest, secret: string): Rest {
    const { store } = this.services
    const began = this.sessions.get(request.id)
    const use = (attached: Attached) => this.attached(client, attached, secret, began)
    // What runs there decides what there is to take over.
    const isFree = began?.fencedStore.isFree !== false
    const attached = isFree ? store.attach.immediate?.(request) : undefined
    if (attached !== undefined) return andThen(attached, use)
    const asked = orGiveBack(this.services, store.attach(request), use, (attached) =>
      attached._tag === "Attached" ? this.unused(attached.session) : Effect.void
    )
    return began?.fencedStore.takeover(asked) ?? asked
  }

  /** The store has answered; `began` lived here when it was asked. */
  private attached(
    client: Greeted<P>,
    attached: Attached,
    secret: string,
    began: HostedSession<C, S, P, R> | undefined
  ): Rest {
    const id = attached._tag === "Attached" ? attached.session.id : undefined
    const known = id === undefined ? undefined : this.sessions.get(id)
    const here = { ended: began?.reason, generation: known?.fencedStore.generation }
    const revoked = client.watch.reason(client.principal.id, id)
    const decision = plan(attached, here, revoked, this.quota.full)
    if (attached._tag === "Attached") return this.take(decision, client, attached.session, secret, began, known)
    return decision._tag === "Begin" || decision._tag === "Close" ? this.turnAway(client, decision) : Effect.void
  }

  /** The store says that the session is this gateway's now. */
  private take(
    decision: Decision,
    client: Greeted<P>,
    stored: StoredSession,
    secret: string,
    began: HostedSession<C, S, P, R> | undefined,
    known: HostedSession<C, S, P, R> | undefined
  ): Rest {
    const { codec, live, principal } = client
    const { generation, id } = stored
    switch (decision._tag) {
      case "Begin":
      case "Close":
        return this.turnAway(client, decision)
      case "Over":
        // Its removal waits for this generation. It may have been given up meanwhile: what was attached just now would be
        // nobody's, and stay.
        if (began !== undefined) began.fencedStore.generation = generation
        return Effect.zipRight(
          this.unused(stored),
          Effect.suspend(() => this.turnAway(client, decision.instead))
        )
      case "Revoked":
        return Effect.asVoid(this.revoke(client, id, generation, decision.reason))
      case "Outdated":
        known?.finish({ _tag: "MovedAway" })
        return this.attached(client, { _tag: "Attached", session: stored }, secret, began)
      case "Full":
        return Effect.map(this.unused(stored), () => refuse(live, codec, decision.refusal))
      case "GoOn":
        return known === undefined ? Effect.void : this.goOn(known, client, stored, secret, false)
      case "Restore": {
        this.quota.enter(principal.id)
        const state = sessionMachine.restored(this.services.options.replayMessages, stored)
        const { invitations, outbound, refused } = stored
        const session = this.register({ id, principal, codec, generation, state, outbound, refused, invitations })
        return this.goOn(session, client, stored, secret, true)
      }
    }
  }

  private turnAway(client: Greeted<P>, decision: Extract<Decision, { _tag: "Begin" | "Close" }>): Rest {
    if (decision._tag === "Begin") return this.begin(client, decision.reason)
    client.live.close(decision.code, decision.reason)
    return Effect.void
  }

  /** The client goes on with a session that lives here, from just now on or before. */
  private goOn(
    session: HostedSession<C, S, P, R>,
    client: Greeted<P>,
    stored: StoredSession,
    secret: string,
    isNew: boolean
  ): Rest {
    const { codec, live, principal } = client
    session.fencedStore.generation = stored.generation
    session.principal = principal
    const refused =
      codec.subprotocol === stored.subprotocol
        ? welcome(this.services, session, client, stored.generation, secret, { resumed: true })
        : "incomplete"
    session.restoreMail(stored.mail, this.storeEvents.hasMail(stored.id))
    if (isNew) session.start()
    if (live.end !== undefined) session.abandoned()
    if (refused === undefined) return Effect.void
    session.finish({ _tag: "Incomplete" })
    return this.begin(client, refused)
  }

  /** It was disconnected while the store answered. Tells whether the store still had it: 0 or 1. */
  private revoke({ live }: Greeted<P>, id: string, generation: number, reason: string): Effect.Effect<number> {
    live.close(CloseCode.SessionEnded, reason)
    const { options, store } = this.services
    const removed = store.remove(id, generation, { _tag: "Ended", reason, final: true }).pipe(
      Effect.as(1),
      Effect.catchTag("Fenced", () => Effect.succeed(0)),
      Effect.retry({ schedule: serviceRetry, times: 5 })
    )
    const left = (why: string) =>
      Effect.as(Effect.logWarning(`holdfast: session ${id} was disconnected and is left in the store: ${why}`), 0)
    return bounded(removed, options.closeTimeout).pipe(
      Effect.flatMap(Option.match({ onSome: Effect.succeed, onNone: () => left("it does not answer") })),
      Effect.catchAll((error) => left(error.message))
    )
  }

  /** Lets a session expire that was attached for nothing. */
  private unused({ generation, id }: StoredSession): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.sessions.get(id)?.fencedStore.generation === generation
        ? Effect.void
        : Effect.ignore(this.services.store.detach(id, generation, this.services.options.resumeWindow))
    )
  }

  // ---- those that live here

  private register(origin: Origin<P>): HostedSession<C, S, P, R> {
    const session = new HostedSession(this.services, origin)
    this.sessions.set(origin.id, session)
    return session
  }

  /** A session lives here no more. */
  removed(id: string, end: SessionEnd): void {
    const session = this.sessions.get(id)
    if (session === undefined) return
    this.services.stats.sessionEnded(end._tag)
    this.sessions.delete(id)
    this.quota.leave(session.principal.id)
  }
}
