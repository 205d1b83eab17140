/**
 * The gateway: its registry of sessions, how a hello becomes one of them, and
 * the drain.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../CloseCode.js"
import type { Codec } from "../Codec.js"
import {
  type InvalidOption,
  type ListenFailed,
  SessionNotFound,
  type StoreUnavailable,
  UpgradeRefused
} from "../ConnectionError.js"
import { Credentials } from "../Credentials.js"
import type { Gateway, GatewayOptions, Principal, Session, SessionEnd } from "../GatewaySession.js"
import { type Incoming, Listener } from "../Listener.js"
import * as Options from "../Options.js"
import type * as Protocol from "../Protocol.js"
import * as SessionState from "../Session.js"
import { type Attached, SessionStore, type StoredSession } from "../SessionStore.js"
import * as accept from "./accept.js"
import * as ackTimer from "./ackTimer.js"
import { bounded, made } from "./bounded.js"
import { type Host, HostedSession, type Origin } from "./hostedSession.js"
import type { LiveConnection } from "./liveConnection.js"
import * as messageCodec from "./messageCodec.js"
import { closing } from "./sessionEnd.js"

/** A connection whose hello was heard and whose principal is known. */
interface Caller<P> {
  readonly live: LiveConnection
  readonly codec: Codec
  readonly hello: Protocol.Hello
  readonly principal: P
}

type Resume = Protocol.Resume

/** The options, all of whose effects may need the same services. */
type Config<C, S, P extends Principal, R> = GatewayOptions<C, S, P, R, R, R, R, R, R>

export class GatewayCore<C, S, P extends Principal, R> {
  readonly gateway: Gateway<S, P>
  private readonly sessions = new Map<string, HostedSession<C, S, P, R>>()
  private readonly connections = new Set<LiveConnection>()
  private readonly host: Host<C, S, P, R>
  /** Sessions that are being created. */
  private beginning = 0
  private draining = false

  private constructor(
    private readonly config: Config<C, S, P, R>,
    private readonly options: Options.Resolved,
    address: string,
    private readonly credentials: Credentials["Type"],
    host: Omit<Host<C, S, P, R>, "gateway" | "removed" | "limits" | "options" | "handlers" | "encode" | "decode">
  ) {
    const since = host.now()
    this.gateway = {
      address,
      stats: Effect.sync(() => ({ connections: this.connections.size, sessions: this.sessions.size, since })),
      sessions: Effect.sync(() => [...this.sessions.values()]),
      session: (id) => this.session(id),
      send: (id, message) => Effect.flatMap(this.session(id), (session) => session.send(message))
    }
    this.host = {
      ...host,
      options,
      limits: { maxMessage: options.maxMessage, messages: options.replayMessages, bytes: options.replayBytes },
      handlers: config,
      encode: messageCodec.encoder(config.messages.server),
      decode: messageCodec.decoder(config.messages.client),
      gateway: this.gateway,
      removed: (id) => void this.sessions.delete(id)
    }
  }

  static make<C, S, P extends Principal, R>(
    config: Config<C, S, P, R>
  ): Effect.Effect<GatewayCore<C, S, P, R>, InvalidOption | ListenFailed, Scope.Scope | Listener | SessionStore | R> {
    return Effect.gen(function* () {
      const options = yield* Options.resolve(config)
      const listener = yield* Listener
      const store = yield* SessionStore
      const clock = yield* Effect.clock
      const fork = yield* FiberSet.makeRuntime<R, void, never>()
      const core = new GatewayCore(config, options, listener.address, yield* Credentials, {
        store,
        fork: (effect) => fork(effect),
        now: () => clock.unsafeCurrentTimeMillis(),
        ackTimer: yield* ackTimer.make(options.ackDelay)
      })
      // In the order of finalizers: the listener stops, then the drain, then what is left of the fibers.
      yield* Effect.addFinalizer(() => core.drain)
      yield* listener.listen((incoming) => void fork(core.accept(incoming)))
      return core
    })
  }

  private session(id: string): Effect.Effect<Session<S, P>, SessionNotFound> {
    return Effect.suspend(() => {
      const session = this.sessions.get(id)
      return session === undefined ? Effect.fail(new SessionNotFound({ id })) : Effect.succeed(session)
    })
  }

  // ---- a connection, from its upgrade to its end

  private accept(incoming: Incoming): Effect.Effect<void, never, R> {
    const examined = Effect.catchAllDefect(
      accept.examine(incoming.request, this.config, this.options.helloTimeout),
      (defect) =>
        Effect.zipRight(
          Effect.logError("holdfast: authorizeUpgrade died", defect),
          new UpgradeRefused({ status: 500, body: "the server failed to look at this request" })
        )
    )
    // An upgrade that is never answered would hold up the server's close.
    const answered = Effect.onInterrupt(examined, () => incoming.refuse(503, "the gateway is shutting down"))
    return Effect.matchEffect(answered, {
      onFailure: ({ body, status }) => incoming.refuse(status, body),
      onSuccess: (codec) =>
        Effect.catchAllDefect(Effect.scoped(this.serve(incoming, codec)), (defect) =>
          Effect.logError("holdfast: a connection died", defect)
        )
    })
  }

  private serve(incoming: Incoming, codec: Codec): Effect.Effect<void, never, R | Scope.Scope> {
    // In two steps, so that a connection does not hold on to its upgrade request for its whole life.
    return Effect.flatMap(this.welcome(incoming, codec), (live) =>
      live === undefined ? Effect.void : Effect.asVoid(live.ended)
    )
  }

  private welcome(incoming: Incoming, codec: Codec): Effect.Effect<LiveConnection | undefined, never, R | Scope.Scope> {
    return Effect.gen(this, function* () {
      const opened = yield* accept.open(incoming, codec, this.options)
      if (Option.isNone(opened)) return
      const live = opened.value
      this.connections.add(live)
      yield* Effect.addFinalizer(() => Effect.sync(() => this.connections.delete(live)))
      const hello = yield* accept.hello(live, codec, this.options.helloTimeout)
      if (Option.isNone(hello)) return
      const { token } = hello.value
      const principal = yield* accept.authenticate(
        live,
        made(() => this.config.authenticate({ token, request: incoming.request })),
        this.options.helloTimeout
      )
      if (Option.isNone(principal)) return
      yield* this.admit({ live, codec, hello: hello.value, principal: principal.value })
      return live
    })
  }

  /** Gives a caller its session, resumed or new; closes the connection when it gets none. */
  private admit(caller: Caller<P>): Effect.Effect<void> {
    const { hello, live } = caller
    if (this.draining) return Effect.sync(() => live.close(CloseCode.ServiceRestart, "the server restarts"))
    const admitted = hello.resume === undefined ? this.begin(caller, undefined) : this.resume(caller, hello.resume)
    return Effect.catchAll(admitted, (error) => {
      live.close(CloseCode.TryAgainLater, "the session store is unavailable")
      return Effect.logWarning(`holdfast: ${error.message}`)
    })
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
      const state = SessionState.initial(this.options.replayMessages)
      const session = this.register({ id, principal, codec, generation: 1, state, outbound: [] })
      this.connect(session, caller, 1, secret, { resumed: false, reason })
      session.start()
    })
  }

  private resume(caller: Caller<P>, resume: Resume): Effect.Effect<void, StoreUnavailable> {
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
    resume: Resume,
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
        return Effect.ignore(this.host.store.detach(id, generation, this.options.resumeWindow)).pipe(
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
    return this.sessions.size + this.beginning >= this.options.maxSessions
  }

  private refuseFull({ live }: Caller<P>): Effect.Effect<void> {
    const reason = `this gateway holds ${this.options.maxSessions} sessions already`
    return Effect.sync(() => live.close(CloseCode.TryAgainLater, reason))
  }

  private asStored({ codec, principal }: Caller<P>, stored: StoredSession): Origin<P> {
    const { generation, id, outbound } = stored
    return {
      id,
      principal,
      codec,
      generation,
      state: SessionState.restored(this.options.replayMessages, stored),
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
    const { heartbeatInterval, readDeadline, resumeWindow } = this.options
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
          limits: this.host.limits
        })
      )
    )
    if (refused !== undefined) return refused
    if (hello.heartbeat === "message") live.messagePing = (id) => live.write(codec.encode({ type: "ping", id }))
    live.keepAlive({ heartbeatInterval, readDeadline })
    return undefined
  }

  // ---- the drain

  private readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.draining = true
    const { drainSpread, drainTimeout } = this.options
    const sessions = [...this.sessions.values()]
    const drained = Effect.forEach(
      sessions,
      (session) => Effect.flatMap(Random.next, (part) => session.drain(Math.round(drainSpread * part))),
      { concurrency: "unbounded", discard: true }
    )
    const gone = Effect.suspend(() => {
      for (const live of this.connections) live.close(CloseCode.ServiceRestart, "the server restarts")
      return Effect.forEach([...this.connections], (live) => live.gone, { concurrency: "unbounded", discard: true })
    })
    return bounded(Effect.zipRight(drained, gone), drainTimeout).pipe(
      Effect.zipRight(
        Effect.sync(() => {
          for (const session of this.sessions.values()) session.finish({ _tag: "Shutdown" })
          for (const live of this.connections) live.abandon(CloseCode.ServiceRestart, "the server restarts")
        })
      )
    )
  })
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
