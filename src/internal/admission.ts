/**
 * How a caller, whose hello was heard and who is known, comes to its session:
 * a new one, one that lives here, or one that the store remembers.
 */
import * as Effect from "effect/Effect"
import { CloseCode } from "../CloseCode.js"
import type { Codec } from "../Codec.js"
import type { StoreUnavailable } from "../ConnectionError.js"
import type { Credentials } from "../Credentials.js"
import type { Principal, SessionEnd } from "../GatewaySession.js"
import type * as Protocol from "../Protocol.js"
import * as SessionState from "../Session.js"
import type { Attached, StoredSession } from "../SessionStore.js"
import { type Host, HostedSession, type Origin } from "./hostedSession.js"
import type { LiveConnection } from "./liveConnection.js"
import { closing } from "./sessionEnd.js"

export interface Caller<P> {
  readonly live: LiveConnection
  readonly codec: Codec
  readonly hello: Protocol.Hello
  readonly principal: P
}

export class Admission<C, S, P extends Principal, R> {
  /** Sessions that are being created. */
  private beginning = 0

  constructor(
    private readonly host: Host<C, S, P, R>,
    private readonly credentials: Credentials["Type"],
    /** Those that live here, by id. */
    private readonly sessions: Map<string, HostedSession<C, S, P, R>>
  ) {}

  /** Gives a caller its session, resumed or new, or closes the connection with the reason. */
  admit(caller: Caller<P>): Effect.Effect<void, StoreUnavailable> {
    const { resume } = caller.hello
    return resume === undefined ? this.begin(caller, undefined) : this.resume(caller, resume)
  }

  private begin(caller: Caller<P>, reason: Protocol.ResetReason | undefined): Effect.Effect<void, StoreUnavailable> {
    return Effect.suspend(() => {
      if (this.isFull) return this.refuseFull(caller)
      this.beginning++
      return Effect.ensuring(
        this.create(caller, reason),
        Effect.sync(() => this.beginning--)
      )
    })
  }

  private create(caller: Caller<P>, reason: Protocol.ResetReason | undefined): Effect.Effect<void, StoreUnavailable> {
    return Effect.gen(this, function* () {
      const { codec, live, principal } = caller
      const id = yield* this.credentials.id
      const secret = yield* this.credentials.secret
      const secretHash = yield* this.credentials.hash(secret)
      yield* this.host.store.create({ id, principal: principal.id, subprotocol: codec.subprotocol, secretHash })
      // A client that has gone before its welcome knows of no session.
      if (live.end !== undefined) return yield* Effect.ignore(this.host.store.remove(id, 1))
      const state = SessionState.initial(this.host.options.replayMessages)
      const session = this.register({ id, principal, codec, generation: 1, state, outbound: [] })
      this.connect(session, caller, 1, secret, { resumed: false, reason })
      session.start()
    })
  }

  private resume(caller: Caller<P>, resume: Protocol.Resume): Effect.Effect<void, StoreUnavailable> {
    return Effect.gen(this, function* () {
      const { live, principal } = caller
      const secret = yield* this.credentials.secret
      const nextSecretHash = yield* this.credentials.hash(secret)
      const secretHash = yield* this.credentials.hash(resume.secret)
      // Who has left meanwhile has no use for the session, and may have come back for it already.
      if (live.end !== undefined) return
      const { attempt, session: id } = resume
      const request = { id, principal: principal.id, secretHash, nextSecretHash, attempt }
      const began = this.sessions.get(id)
      const attach = Effect.flatMap(this.host.store.attach(request), (attached) => {
        if (attached._tag === "Attached") return this.restore(caller, resume, attached.session, secret, began)
        if (attached._tag === "Gone" && attached.tombstone._tag === "Ended") {
          const { reason } = attached.tombstone
          return Effect.sync(() => live.close(CloseCode.SessionEnded, reason))
        }
        if (attached._tag === "Superseded") {
          return Effect.sync(() => live.close(CloseCode.TakenOver, "a later attempt has resumed this session"))
        }
        return this.begin(caller, lostBecause(attached))
      })
      yield* began?.ownership.takeover(attach) ?? attach
    })
  }

  /** The store says that the session is this gateway's now. */
  private restore(
    caller: Caller<P>,
    resume: Protocol.Resume,
    stored: StoredSession,
    secret: string,
    began: HostedSession<C, S, P, R> | undefined
  ): Effect.Effect<void, StoreUnavailable> {
    return Effect.suspend(() => {
      const { codec, live, principal } = caller
      const reason = began?.reason
      if (began !== undefined && reason !== undefined && reason._tag !== "MovedAway") {
        // It ended while the store answered; its removal waits for this generation.
        began.ownership.generation = stored.generation
        return this.turnAway(caller, reason)
      }
      const known = this.sessions.get(stored.id)
      if (known !== undefined && known.ownership.generation >= stored.generation) {
        return Effect.sync(() => live.close(CloseCode.TakenOver, "a newer connection of this session took over"))
      }
      // What lives here is the session as it stands only if nobody else has had it since.
      const here = known?.ownership.generation === stored.generation - 1 ? known : undefined
      if (here === undefined) known?.finish({ _tag: "MovedAway" })
      if (here === undefined && this.isFull) {
        const { id, generation } = stored
        return Effect.ignore(this.host.store.detach(id, generation, this.host.options.resumeWindow)).pipe(
          Effect.zipRight(this.refuseFull(caller))
        )
      }
      const session = here ?? this.register(this.asStored(caller, stored))
      session.ownership.generation = stored.generation
      session.principal = principal
      const refused =
        codec.subprotocol === stored.subprotocol
          ? this.connect(session, caller, stored.generation, secret, { resumed: true }, resume)
          : "incomplete"
      if (here === undefined) session.start()
      if (live.end !== undefined) session.abandoned()
      if (refused === undefined) return Effect.void
      session.finish({ _tag: "Incomplete" })
      return this.begin(caller, refused)
    })
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
        return this.begin(caller, "expired")
      case "Incomplete":
        return this.begin(caller, "incomplete")
      case "Bye":
        return this.begin(caller, "unknown")
    }
  }

  private get isFull(): boolean {
    return this.sessions.size + this.beginning >= this.host.options.maxSessions
  }

  private refuseFull({ live }: Caller<P>): Effect.Effect<void> {
    const reason = `this gateway holds ${this.host.options.maxSessions} sessions already`
    return Effect.sync(() => live.close(CloseCode.TryAgainLater, reason))
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

  private register(origin: Origin<P>): HostedSession<C, S, P, R> {
    const session = new HostedSession(this.host, origin)
    this.sessions.set(origin.id, session)
    return session
  }

  /** Has the connection act for the session, after the welcome. */
  private connect(
    session: HostedSession<C, S, P, R>,
    { codec, hello, live }: Caller<P>,
    generation: number,
    secret: string,
    outcome: { readonly resumed: boolean; readonly reason?: Protocol.ResetReason | undefined },
    peer: { readonly processed: number; readonly oldest: number } = { processed: 0, oldest: 1 }
  ): Protocol.ResetReason | undefined {
    if (live.end !== undefined) return undefined // `abandoned` sees to it
    const { heartbeatInterval, readDeadline, resumeWindow } = this.host.options
    const missed = session.refusalsFrom(peer.oldest)
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
          ...(this.host.topics === undefined ? {} : { keyWindow: this.host.topics.broker.keyWindow })
        })
      )
    )
    if (refused !== undefined) return refused
    if (hello.heartbeat === "message") live.messagePing = (id) => live.write(codec.encode({ type: "ping", id }))
    live.keepAlive({ heartbeatInterval, readDeadline })
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
