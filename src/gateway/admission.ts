/**
 * How a caller, whose hello was heard and who is known, comes to its session:
 * a new one, one that lives here, or one that the store remembers.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { bounded } from "../connection/bounded.js"
import type { UpgradeRequest } from "../connection/Listener.js"
import type { LiveConnection } from "../connection/liveConnection.js"
import { plainOf, plainOfEffect } from "../connection/syncEffect.js"
import { CloseCode } from "../protocol/CloseCode.js"
import { type Codec, envelopeBytes } from "../protocol/Codec.js"
import type { StoreUnavailable } from "../protocol/ConnectionError.js"
import * as Protocol from "../protocol/Protocol.js"
import type { Credentials } from "../session/Credentials.js"
import * as SessionState from "../session/Session.js"
import type { Attached, StoredSession } from "../session/SessionStore.js"
import type { Principal, SessionEnd } from "./GatewaySession.js"
import { type PendingSession, PendingSessions } from "./pendingSessions.js"
import type { Watch } from "./revocations.js"
import { closing } from "./session/endReason.js"
import { storeRetry } from "./session/fencedStore.js"
import { type Host, HostedSession, type Origin } from "./session/hostedSession.js"
import { refuse, SessionQuota } from "./sessionQuota.js"
import { StoreEvents } from "./storeEvents.js"

export interface Caller<P> {
  readonly live: LiveConnection
  readonly codec: Codec
  readonly hello: Protocol.Hello
  readonly principal: P
  /** Of a principal that expires: it is authenticated again. */
  readonly request: UpgradeRequest | undefined
  readonly watch: Watch
  /** The part of the heartbeat interval before the first. */
  readonly jitter: number
}

export class Admission<C, S, P extends Principal, R> {
  readonly pending: PendingSessions
  readonly storeEvents: StoreEvents
  private readonly limits: SessionQuota
  /** The credentials, as far as they are made at once. */
  private readonly plain: {
    readonly id: (() => string) | undefined
    readonly secret: (() => string) | undefined
    readonly hash: ((secret: string) => Exit.Exit<string>) | undefined
  }

  constructor(
    private readonly host: Host<C, S, P, R>,
    private readonly credentials: Credentials["Type"],
    /** Those that live here, by id. */
    private readonly sessions: Map<string, HostedSession<C, S, P, R>>
  ) {
    const { hash, id, secret } = credentials
    this.plain = { id: plainOfEffect(id), secret: plainOfEffect(secret), hash: plainOf(hash) }
    this.limits = new SessionQuota(host.options)
    this.storeEvents = new StoreEvents(sessions)
    this.pending = new PendingSessions(this.limits, host.options.closeTimeout)
  }

  /**
   * Gives a caller its session as far as nothing has to be waited for, and tells what is left to do: nothing, as a rule, or
   * all of it where the store or the credentials do not answer at once.
   */
  admitNow(caller: Caller<P>): Effect.Effect<void, StoreUnavailable> {
    // Who has left meanwhile has no use for a session.
    if (caller.live.end !== undefined) return Effect.void
    const { resume } = caller.hello
    const rest = resume === undefined ? this.beginNow(caller) : this.resumeNow(caller, resume)
    return rest ?? this.admit(caller)
  }

  private beginNow(caller: Caller<P>): Effect.Effect<void, StoreUnavailable> | undefined {
    const { hash, id: newId, secret: newSecret } = this.plain
    const { create } = this.host.atOnce
    if (newId === undefined || newSecret === undefined || hash === undefined || create === undefined) return undefined
    const pending = this.enter(caller)
    if (pending === undefined) return Effect.void
    try {
      const id = newId()
      pending.id = id
      const secret = newSecret()
      const hashed = hash(secret)
      if (hashed._tag === "Failure") return hashed
      const { codec, principal } = caller
      const created = create({ id, principal: principal.id, subprotocol: codec.subprotocol, secretHash: hashed.value })
      if (created._tag === "Failure") return created
      this.open(caller, undefined, pending, { id, secret })
      return Effect.void
    } finally {
      this.pending.leave(pending)
    }
  }

  private resumeNow(caller: Caller<P>, resume: Protocol.Resume): Effect.Effect<void, StoreUnavailable> | undefined {
    const { hash, secret: newSecret } = this.plain
    const { attach } = this.host.atOnce
    const began = this.sessions.get(resume.session)
    if (newSecret === undefined || hash === undefined || attach === undefined) return undefined
    // What runs there decides what there is to take over.
    if (began?.fencedStore.isFree === false) return undefined
    const secret = newSecret()
    const nextSecretHash = hash(secret)
    const secretHash = hash(resume.secret)
    if (nextSecretHash._tag === "Failure") return nextSecretHash
    if (secretHash._tag === "Failure") return secretHash
    const request = this.request(caller, resume, secretHash.value, nextSecretHash.value)
    return this.storeEvents.duringNow(request.id, () => {
      const attached = attach(request)
      return attached._tag === "Failure" ? attached : this.attached(caller, resume, attached.value, secret, began)
    })
  }

  /** Gives a caller its session, resumed or new, or closes the connection with the reason. */
  admit(caller: Caller<P>): Effect.Effect<void, StoreUnavailable> {
    const { resume } = caller.hello
    return resume === undefined ? this.begin(caller, undefined) : this.resume(caller, resume)
  }

  private begin(caller: Caller<P>, reason: Protocol.ResetReason | undefined): Effect.Effect<void, StoreUnavailable> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.enter(caller)),
      (pending) => (pending === undefined ? Effect.void : this.create(caller, reason, pending)),
      (pending) => Effect.sync(() => pending !== undefined && this.pending.leave(pending))
    )
  }

  /** Counts a session that is to be created, unless there may be none, which the client is told. */
  private enter({ codec, live, principal, watch }: Caller<P>): PendingSession | undefined {
    const revoked = watch.reason(principal.id)
    const full = this.limits.fullFor(principal.id)
    if (revoked !== undefined) live.close(CloseCode.SessionEnded, revoked)
    else if (full !== undefined) refuse(live, codec, full)
    else return this.pending.enter(principal.id)
    return undefined
  }

  private create(
    caller: Caller<P>,
    reason: Protocol.ResetReason | undefined,
    pending: PendingSession
  ): Effect.Effect<void, StoreUnavailable> {
    return Effect.gen(this, function* () {
      const { codec, principal } = caller
      const id = yield* this.credentials.id
      pending.id = id
      const secret = yield* this.credentials.secret
      const secretHash = yield* this.credentials.hash(secret)
      const { store } = this.host
      const remove = Effect.ignore(store.remove(id, 1))
      const create = this.orGiveBack(
        store.create({ id, principal: principal.id, subprotocol: codec.subprotocol, secretHash }),
        () => this.created(caller, reason, pending, { id, secret, remove }),
        () => (pending.registered ? Effect.void : remove)
      )
      yield* this.storeEvents.during(id, create)
    })
  }

  /** The store has the new session. */
  private created(
    caller: Caller<P>,
    reason: Protocol.ResetReason | undefined,
    pending: PendingSession,
    { id, remove, secret }: { readonly id: string; readonly secret: string; readonly remove: Effect.Effect<void> }
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { live, principal, watch } = caller
      const revoked = watch.reason(principal.id, id)
      if (revoked !== undefined) {
        return Effect.map(this.revoke(caller, id, 1, revoked), (removed) => {
          pending.removed = removed
        })
      }
      // A client that has gone before its welcome knows of no session.
      if (live.end !== undefined) return remove
      this.open(caller, reason, pending, { id, secret })
      return Effect.void
    })
  }

  /** It lives here from now on. */
  private open(
    caller: Caller<P>,
    reason: Protocol.ResetReason | undefined,
    pending: PendingSession,
    { id, secret }: { readonly id: string; readonly secret: string }
  ): void {
    const { codec, principal } = caller
    const state = SessionState.initial(this.host.options.replayMessages)
    pending.registered = true
    const session = this.register({ id, principal, codec, generation: 1, state, outbound: [] })
    this.connect(session, caller, 1, secret, { resumed: false, reason })
    session.start()
  }

  /**
   * The gateway may end while the store answers: what the answer gives is given back then, or it would be nobody's for ever.
   * A store that does not answer is waited for no longer than `closeTimeout`.
   */
  private orGiveBack<A, B, E>(
    ask: Effect.Effect<A, E>,
    use: (a: A) => Effect.Effect<B, E>,
    giveBack: (a: A) => Effect.Effect<void>
  ): Effect.Effect<B, E> {
    const { closeTimeout } = this.host.options
    return Effect.uninterruptibleMask((restore) =>
      // A child would be interrupted with this fiber, and its answer lost; it ends here all the same.
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(ask)), (asking) => {
        const answer = Fiber.join(asking)
        const givenBack = bounded(Effect.ignore(Effect.flatMap(answer, giveBack)), closeTimeout)
        const back = Effect.zipRight(givenBack, Fiber.interruptFork(asking))
        return Effect.onInterrupt(restore(Effect.flatMap(answer, use)), () => back)
      })
    )
  }

  /** It was disconnected while the store answered. Tells whether the store still had it: 0 or 1. */
  private revoke({ live }: Caller<P>, id: string, generation: number, reason: string): Effect.Effect<number> {
    live.close(CloseCode.SessionEnded, reason)
    const removed = this.host.store.remove(id, generation, { _tag: "Ended", reason }).pipe(
      Effect.as(1),
      Effect.catchTag("Fenced", () => Effect.succeed(0)),
      Effect.retry({ schedule: storeRetry, times: 5 })
    )
    const left = (why: string) =>
      Effect.as(Effect.logWarning(`holdfast: session ${id} was disconnected and is left in the store: ${why}`), 0)
    return bounded(removed, this.host.options.closeTimeout).pipe(
      Effect.flatMap(Option.match({ onSome: Effect.succeed, onNone: () => left("it does not answer") })),
      Effect.catchAll((error) => left(error.message))
    )
  }

  private resume(caller: Caller<P>, resume: Protocol.Resume): Effect.Effect<void, StoreUnavailable> {
    return Effect.gen(this, function* () {
      const secret = yield* this.credentials.secret
      const nextSecretHash = yield* this.credentials.hash(secret)
      const secretHash = yield* this.credentials.hash(resume.secret)
      // Who has left meanwhile has no use for the session, and may have come back for it already.
      if (caller.live.end !== undefined) return
      const request = this.request(caller, resume, secretHash, nextSecretHash)
      const began = this.sessions.get(request.id)
      const attach = this.orGiveBack(
        this.host.store.attach(request),
        (attached) => Effect.suspend(() => this.attached(caller, resume, attached, secret, began)),
        (attached) => (attached._tag === "Attached" ? this.unused(attached.session) : Effect.void)
      )
      yield* this.storeEvents.during(request.id, began?.fencedStore.takeover(attach) ?? attach)
    })
  }

  private request(
    { principal }: Caller<P>,
    { attempt, session: id }: Protocol.Resume,
    secretHash: string,
    nextSecretHash: string
  ) {
    return { id, principal: principal.id, secretHash, nextSecretHash, attempt }
  }

  /** The store has answered. Does what can be done now, and gives the rest. */
  private attached(
    caller: Caller<P>,
    resume: Protocol.Resume,
    attached: Attached,
    secret: string,
    began: HostedSession<C, S, P, R> | undefined
  ): Effect.Effect<void, StoreUnavailable> {
    const { live } = caller
    switch (attached._tag) {
      case "Attached":
        return this.restore(caller, resume, attached.session, secret, began)
      case "Superseded":
        live.close(CloseCode.TakenOver, "a later attempt has resumed this session")
        return Effect.void
      case "Gone":
        if (attached.tombstone._tag !== "Ended") return this.begin(caller, lostBecause(attached))
        live.close(CloseCode.SessionEnded, attached.tombstone.reason)
        return Effect.void
      default:
        return this.begin(caller, lostBecause(attached))
    }
  }

  /** Lets a session expire that was attached for nothing. */
  private unused({ generation, id }: StoredSession): Effect.Effect<void> {
    return this.sessions.get(id)?.fencedStore.generation === generation
      ? Effect.void
      : Effect.ignore(this.host.store.detach(id, generation, this.host.options.resumeWindow))
  }

  /** The store says that the session is this gateway's now. */
  private restore(
    caller: Caller<P>,
    resume: Protocol.Resume,
    stored: StoredSession,
    secret: string,
    began: HostedSession<C, S, P, R> | undefined
  ): Effect.Effect<void, StoreUnavailable> {
    const { codec, live, principal } = caller
    const reason = began?.reason
    if (began !== undefined && reason !== undefined && reason._tag !== "MovedAway") {
      // It ended while the store answered; its removal waits for this generation.
      began.fencedStore.generation = stored.generation
      // Its removal may have been given up meanwhile: what was attached just now would be nobody's, and stay.
      return Effect.zipRight(this.unused(stored), this.turnAway(caller, reason))
    }
    const revoked = caller.watch.reason(principal.id, stored.id)
    if (revoked !== undefined) return Effect.asVoid(this.revoke(caller, stored.id, stored.generation, revoked))
    const known = this.sessions.get(stored.id)
    if (known !== undefined && known.fencedStore.generation >= stored.generation) {
      live.close(CloseCode.TakenOver, "a newer connection of this session took over")
      return Effect.void
    }
    // What lives here is the session as it stands only if nobody else has had it since.
    const here = known?.fencedStore.generation === stored.generation - 1 ? known : undefined
    if (here === undefined) known?.finish({ _tag: "MovedAway" })
    const { full } = this.limits
    if (here === undefined && full !== undefined) {
      const { id, generation } = stored
      return Effect.map(Effect.ignore(this.host.store.detach(id, generation, this.host.options.resumeWindow)), () =>
        refuse(live, codec, full)
      )
    }
    if (here === undefined) this.limits.enter(principal.id)
    const session = here ?? this.register(this.asStored(caller, stored))
    session.fencedStore.generation = stored.generation
    session.principal = principal
    const refused =
      codec.subprotocol === stored.subprotocol
        ? this.connect(session, caller, stored.generation, secret, { resumed: true }, resume)
        : "incomplete"
    session.restoreMail(stored.mail, this.storeEvents.hasMail(stored.id))
    if (here === undefined) session.start()
    if (live.end !== undefined) session.abandoned()
    if (refused === undefined) return Effect.void
    session.finish({ _tag: "Incomplete" })
    return this.begin(caller, refused)
  }

  /** What a client hears whose session has ended just now. */
  private turnAway(
    caller: Caller<P>,
    end: Exclude<SessionEnd, { _tag: "MovedAway" }>
  ): Effect.Effect<void, StoreUnavailable> {
    switch (end._tag) {
      case "Ended":
      case "HandlerFailed":
      case "Shutdown":
        return Effect.sync(() => caller.live.close(...closing(end)))
      case "Overflow":
        return this.begin(caller, "overflow")
      case "Expired":
      case "NotAuthenticated":
      case "NotAllowed":
        return this.begin(caller, "expired")
      case "Incomplete":
        return this.begin(caller, "incomplete")
      case "Bye":
      case "Lost":
        return this.begin(caller, "unknown")
    }
  }

  private asStored({ codec, principal }: Caller<P>, stored: StoredSession): Origin<P> {
    const { generation, id, outbound } = stored
    return {
      id,
      principal,
      codec,
      generation,
      state: SessionState.restored(this.host.options.replayMessages, stored),
      outbound
    }
  }

  /** A session lives here no more. */
  removed(id: string, end: SessionEnd): void {
    const session = this.sessions.get(id)
    if (session === undefined) return
    this.host.stats.sessionEnded(end._tag)
    this.sessions.delete(id)
    this.limits.leave(session.principal.id)
  }

  private register(origin: Origin<P>): HostedSession<C, S, P, R> {
    const session = new HostedSession(this.host, origin)
    this.sessions.set(origin.id, session)
    return session
  }

  /** Has the connection act for the session, after the welcome. */
  private connect(
    session: HostedSession<C, S, P, R>,
    { codec, hello, jitter, live, request }: Caller<P>,
    generation: number,
    secret: string,
    outcome: { readonly resumed: boolean; readonly reason?: Protocol.ResetReason | undefined },
    known: { readonly processed: number; readonly oldest: number } = { processed: 0, oldest: 1 }
  ): Protocol.ResetReason | undefined {
    if (live.end !== undefined) return undefined // `abandoned` sees to it
    const { heartbeatInterval, maxMessage, readDeadline, resumeWindow } = this.host.options
    const { oldest, processed } = known
    const peer = { processed, oldest, takes: hello.limits?.maxMessage ?? Number.POSITIVE_INFINITY }
    const missed = session.loop.refusalsFrom(oldest, peer.takes, codec)
    if (missed === undefined) return "incomplete"
    const refused = session.attach(live, generation, peer, (processed) =>
      live.write(
        codec.encode({
          type: "welcome",
          session: session.id,
          generation,
          secret,
          processed,
          resumed: outcome.resumed,
          ...(outcome.reason === undefined ? {} : { reason: outcome.reason }),
          ...(missed.length === 0 ? {} : { refused: missed }),
          heartbeat: heartbeatInterval,
          deadline: readDeadline,
          resumeWindow,
          limits: this.host.limits,
          ...(this.host.topics === undefined ? {} : { keyWindow: this.host.topics.keyWindow }),
          features: Protocol.features
        })
      )
    )
    if (refused !== undefined) return refused
    this.host.stats.welcomed(outcome)
    live.transport.limit?.(maxMessage + envelopeBytes)
    session.watchExpiry(live, request)
    if (hello.heartbeat === "message") live.messagePing = (id) => live.write(codec.encode({ type: "ping", id }))
    live.keepAlive({ heartbeatInterval, readDeadline }, jitter)
    return undefined
  }
}

const lostBecause = (attached: Exclude<Attached, { _tag: "Attached" | "Superseded" }>): Protocol.ResetReason => {
  switch (attached._tag) {
    case "Unknown":
      return "unknown"
    case "Mismatch":
      return "secret"
    case "Gone":
      return attached.tombstone._tag === "Overflow" ? "overflow" : "expired"
  }
}
