/**
 * The gateway: its connections from upgrade to end, its registry of sessions,
 * and the drain.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { bounded, made } from "../connection/bounded.js"
import { monotonic, wallTime } from "../connection/clocks.js"
import * as Heartbeat from "../connection/heartbeat.js"
import { Listener } from "../connection/Listener.js"
import * as machineSleep from "../connection/machineSleep.js"
import * as Options from "../connection/Options.js"
import { Outage } from "../connection/outage.js"
import { isSuccess } from "../connection/syncEffect.js"
import { CloseCode } from "../protocol/CloseCode.js"
import { envelopeBytes } from "../protocol/Codec.js"
import { type InvalidOption, type ListenFailed, SessionNotFound, TopicRefused } from "../protocol/ConnectionError.js"
import * as messageCodec from "../protocol/messageCodec.js"
import * as ackTimer from "../session/ackTimer.js"
import { Credentials } from "../session/Credentials.js"
import { inboundLimiterTerms } from "../session/inboundLimiter.js"
import { UnfinishedBytes } from "../session/large/partReceiver.js"
import { type NodeInfo, SessionStore } from "../session/SessionStore.js"
import { Admission } from "./admission.js"
import * as connections from "./connectionManager.js"
import { disconnect } from "./disconnect.js"
import type { GatewayOptions } from "./GatewayOptions.js"
import type { Gateway, Principal, Session } from "./GatewaySession.js"
import { GatewayStats } from "./gatewayStats.js"
import * as accept from "./handshake.js"
import { announce } from "./nodeHeartbeat.js"
import { OriginPolicy } from "./originPolicy.js"
import { readiness } from "./readiness.js"
import { Revocations, type Watch } from "./revocations.js"
import { SendRouter } from "./sendRouter.js"
import { Farewells } from "./session/farewells.js"
import type { HostedSession } from "./session/hostedSession.js"
import { MicrotaskQueue } from "./session/microtaskQueue.js"
import type { SessionServices } from "./session/sessionServices.js"
import * as reauthentication from "./session/tokenExpiry.js"
import * as supervisedFork from "./supervisedFork.js"
import * as TopicRule from "./TopicRule.js"
import * as topicOrders from "./topics/topicOrders.js"
import * as gatewayTopics from "./topics/topicRegistry.js"

/** Milliseconds. */
const longestSpread = 10_000

const noTopics = ({ name }: { readonly name: string }) =>
  Effect.fail(new TopicRefused({ topic: name, code: "unknown-topic", reason: "this gateway has no topics" }))

/** A function is given what makes rules for this gateway's principals. */
const rulesOf = <P extends Principal, R>({
  topics
}: Pick<GatewayOptions<never, never, P, R>, "topics">): ReadonlyArray<TopicRule.TopicRule<P, R>> | undefined =>
  typeof topics === "function" ? topics(TopicRule.make) : topics

/** The part of a gateway's interface that is about topics. */
const topicsOf = <P extends Principal, R>(
  topics: gatewayTopics.TopicRegistry<P, R> | undefined
): Pick<Gateway<never>, "publish" | "history" | "members" | "topics"> => ({
  publish: topics?.publish ?? noTopics,
  history: topics?.history ?? noTopics,
  members: topics?.members ?? noTopics,
  topics: topics?.feeds.info ?? Effect.succeed([])
})

export class GatewayCore<C, S, P extends Principal, R> {
  readonly gateway: Gateway<S, P>
  private readonly sessions = new Map<string, HostedSession<C, S, P, R>>()
  private readonly connections: connections.ConnectionManager<R>
  private readonly revocations = new Revocations()
  private readonly admission: Admission<C, S, P, R>
  private readonly dispatch: SendRouter<S>
  private readonly since: number
  private draining = false

  private constructor(
    private readonly config: GatewayOptions<C, S, P, R, unknown>,
    private readonly options: Options.Resolved,
    checks: accept.Checks<R>,
    timing: connections.Timing,
    private readonly address: string,
    private readonly node: string,
    credentials: Credentials["Type"],
    private readonly services: Omit<
      SessionServices<C, S, P, R>,
      | "gateway"
      | "removed"
      | "isStopped"
      | "limits"
      | "unfinished"
      | "spread"
      | "options"
      | "handlers"
      | "authenticate"
      | "encode"
      | "decode"
    >
  ) {
    const since = wallTime(services.clock)
    this.since = since
    this.gateway = {
      address,
      node,
      stats: Effect.sync(() => ({
        connections: this.connections.living,
        sessions: this.sessions.size,
        since,
        idleTimeout: this.connections.idleTimeout.found,
        ...services.stats.since(this.connections)
      })),
      sessions: Effect.sync(() => Array.from(this.sessions.values(), ({ handle }) => handle)),
      session: (id) => this.session(id),
      send: (id, message) => this.dispatch.send(id, message),
      ...topicsOf(services.topics),
      ...topicOrders.make(services.topics, (target, order) => this.dispatch.order(target, order)),
      disconnect: (target, reason = "disconnected") =>
        disconnect(services, this.sessions, this.admission.pending, this.revocations, target, reason),
      nodes: services.store.nodes,
      ready: readiness({
        isDraining: () => this.draining,
        timeout: options.connectTimeout,
        store: services.store,
        topics: services.topics
      })
    }
    const shared: SessionServices<C, S, P, R> = {
      ...services,
      options,
      limits: {
        maxMessage: options.maxMessage,
        messages: options.replayMessages,
        bytes: options.replayBytes,
        part: options.maxPart,
        messageRate: options.messageRate,
        byteRate: options.byteRate,
        requestRate: options.requestRate,
        requests: options.maxRequests
      },
      handlers: config,
      authenticate: (hello) => config.authenticate(hello),
      encode: messageCodec.encoder(config.messages.server),
      decode: messageCodec.decoder(config.messages.client),
      gateway: this.gateway,
      unfinished: new UnfinishedBytes(options.maxUnfinished + envelopeBytes, options.readDeadline, services.now),
      spread: () => Math.min(longestSpread, Math.floor((this.sessions.size * 1000) / options.admitRate)),
      isStopped: () => this.connections.stopped,
      removed: (id, end) => this.admission.removed(id, end)
    }
    const greeted = (greeting: connections.Greeting) => this.greeted(greeting)
    this.connections = new connections.ConnectionManager(
      { options, checks, stats: services.stats, fork: services.fork, greeted },
      timing
    )
    this.admission = new Admission(shared, credentials, this.sessions)
    this.dispatch = new SendRouter(shared, this.sessions, this.admission.storeEvents, credentials)
  }

  static make<C, S, P extends Principal, R>(
    config: GatewayOptions<C, S, P, R, unknown>
  ): Effect.Effect<GatewayCore<C, S, P, R>, InvalidOption | ListenFailed, Scope.Scope | Listener | SessionStore | R> {
    return Effect.gen(function* () {
      const options = yield* Options.resolve(config)
      const listener = yield* Listener
      const store = yield* SessionStore
      const clock = yield* Effect.clock
      const runtime = yield* Effect.runtime<never>()
      // In the order of finalizers: fibers are interrupted, and then those that see to what they leave behind.
      const forkLast = yield* FiberSet.makeRuntime<R, unknown, unknown>()
      const farewells = new Farewells()
      yield* Effect.addFinalizer(() => bounded(farewells.said, options.closeTimeout))
      const fork = yield* supervisedFork.make<R>()
      const credentials = yield* Credentials
      const node = yield* credentials.id
      const timing = yield* connections.timing
      const checks = { origins: yield* OriginPolicy.make(config.origins), authorizeUpgrade: config.authorizeUpgrade }
      const core = new GatewayCore(config, options, checks, timing, listener.address, node, credentials, {
        store,
        outage: new Outage(),
        handlerOutage: new Outage("run again as long as its schedule says"),
        fork,
        forkLast: (effect) => forkLast(effect),
        microtasks: new MicrotaskQueue(),
        jitter: () => Runtime.runSync(runtime)(Heartbeat.jitter),
        clock,
        now: () => monotonic(clock),
        topics: yield* gatewayTopics.make<P, R>(rulesOf(config), options),
        ackTimer: yield* ackTimer.make(options.ackDelay),
        farewells,
        guard: inboundLimiterTerms(options),
        stats: new GatewayStats()
      })
      yield* store.watch(core.admission.storeEvents)
      yield* announce({
        store,
        node: () => core.described,
        recovered: core.mailCollected,
        closeTimeout: options.closeTimeout
      })
      yield* machineSleep.watch(() => void fork(core.connections.probed))
      // In the order of finalizers: the listener stops, then the drain, then what is left of the fibers.
      yield* Effect.addFinalizer(() => core.drain)
      yield* listener.listen((incoming) => core.connections.arrived(incoming))
      return core
    })
  }

  private session(id: string): Effect.Effect<Session<S, P>, SessionNotFound> {
    return Effect.suspend(() => {
      const session = this.sessions.get(id)
      return session === undefined ? Effect.fail(new SessionNotFound({ id })) : Effect.succeed(session.handle)
    })
  }

  // ---- a connection, from its upgrade to its end

  private get described(): NodeInfo {
    const { address, node: id, since } = this
    return { id, address, since, connections: this.connections.living, sessions: this.sessions.size }
  }

  /** Has each session look for mail of which it may not have heard. */
  private readonly mailCollected: Effect.Effect<void> = Effect.sync(() => {
    for (const session of this.sessions.values()) session.askForMail()
  })

  /** The client has said hello: authenticates it and gives it its session, and tells what is left to do of that. */
  private greeted(greeting: connections.Greeting): Effect.Effect<void, never, R> {
    const { hello, live, request } = greeting
    const authentication = made(() => this.config.authenticate({ token: hello.token, request }))
    return this.revocations.during((watch) =>
      isSuccess(authentication)
        ? this.admit(greeting, authentication.value, watch)
        : Effect.flatMap(accept.authenticate(live, authentication, this.options.helloTimeout), (found) =>
            Option.isNone(found) ? Effect.void : this.admit(greeting, found.value, watch)
          )
    )
  }

  /** Gives a caller its session, resumed or new; closes the connection when it gets none. Tells what is left to do. */
  private admit(
    { codec, hello, live, request }: connections.Greeting,
    principal: P,
    watch: Watch
  ): Effect.Effect<void> {
    const expires = reauthentication.expiryOf(principal) !== undefined
    if (reauthentication.hasExpired(principal, this.services.clock)) {
      live.close(CloseCode.NotAuthenticated, reauthentication.expired)
      return Effect.void
    }
    if (this.draining) {
      live.close(CloseCode.ServiceRestart, "the server restarts")
      return Effect.void
    }
    const jitter = this.services.jitter()
    const client = { live, codec, hello, watch, principal, request: expires ? request : undefined, jitter }
    const rest = this.admission.admit(client)
    if (isSuccess(rest)) return Effect.void
    return Effect.catchAll(rest, (error) => {
      live.close(CloseCode.TryAgainLater, "the session store is unavailable")
      return Effect.logWarning(`holdfast: ${error.message}`)
    })
  }

  // ---- the drain

  private readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.draining = true
    const { closeTimeout, drainSpread, drainTimeout } = this.options
    const sessions = [...this.sessions.values()]
    const drained = Effect.forEach(
      sessions,
      (session) => Effect.flatMap(Random.next, (part) => session.drain(Math.round(drainSpread * part))),
      { concurrency: "unbounded", discard: true }
    )
    return bounded(Effect.zipRight(drained, this.connections.closed), drainTimeout).pipe(
      Effect.zipRight(
        Effect.sync(() => {
          this.connections.stopped = true
          for (const session of this.sessions.values()) session.finish({ _tag: "Shutdown" })
        })
      ),
      Effect.zipRight(Effect.suspend(() => this.connections.dropped)),
      // What sessions that are over still have to do would be cut off by what follows.
      Effect.zipRight(bounded(this.services.farewells.said, closeTimeout))
    )
  })
}
