/** Gateways on one store and one broker, and people who come, look who is there, and go. */
import { assert } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Schema, Scope, Stream } from "effect"
import {
  Broker,
  type Client,
  Codec,
  ConnectionError,
  Credentials,
  Dialer,
  Gateway,
  Listener,
  Messages,
  type Options,
  Outcome,
  type Presence,
  Reconnect,
  SessionStore,
  Topic
} from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { makeClient, settle } from "./virtual.js"

type Service = Broker.Broker["Type"]
type Operation = "join" | "leave" | "members" | "history"

export const Room = Topic.make("rooms/:room", Schema.Unknown)
export const lobby = Room.at({ room: "lobby" })
export const garden = Room.at({ room: "garden" })
/** Nobody is told who reads it. */
export const news = Topic.make("news", Schema.Unknown).at()

/** Default of `resumeWindow`, in milliseconds. */
export const window = 120_000

/** A call that is on its way to a broker, or its answer on the way back: whoever asked may have gone meanwhile. */
export interface Call {
  readonly operation: Operation
  readonly args: ReadonlyArray<unknown>
  /** It arrives, and has its effect. */
  readonly arrive: Effect.Effect<void>
  /** Its answer arrives, after the call itself if need be. */
  readonly answer: Effect.Effect<void>
}

/** A broker behind a wire: what is asked of it can be held up on the way there and back, or fail. */
const behindWire = (broker: Service) => {
  const held = new Set<Operation>()
  const listeners = new Map<Broker.Listener, string>()
  let calls: Array<Call> = []
  let isDown = false

  const through = <A>(
    operation: Operation,
    args: ReadonlyArray<unknown>,
    effect: Effect.Effect<A, ConnectionError.BrokerUnavailable>
  ): Effect.Effect<A, ConnectionError.BrokerUnavailable> =>
    Effect.suspend(() => {
      if (isDown) return Effect.fail(new ConnectionError.BrokerUnavailable({ cause: "down" }))
      if (!held.has(operation)) return effect
      return Effect.async<A, ConnectionError.BrokerUnavailable>((resume) => {
        let outcome: Exit.Exit<A, ConnectionError.BrokerUnavailable> | undefined
        const arrive = Effect.sync(() => {
          outcome ??= Effect.runSyncExit(effect)
        })
        const answer = Effect.zipRight(
          arrive,
          Effect.sync(() => outcome !== undefined && resume(outcome))
        )
        calls.push({
          operation,
          args,
          arrive: Effect.zipRight(arrive, settle),
          answer: Effect.zipRight(answer, settle)
        })
      })
    })

  const service: Service = {
    ...broker,
    join: (...args) => through("join", args, broker.join(...args)),
    leave: (...args) => through("leave", args, broker.leave(...args)),
    members: (...args) => through("members", args, broker.members(...args)),
    history: (...args) => through("history", args, broker.history(...args)),
    subscribe: (topic, listener) =>
      Effect.zipRight(
        Effect.acquireRelease(
          Effect.sync(() => listeners.set(listener, topic)),
          () => Effect.sync(() => listeners.delete(listener))
        ),
        broker.subscribe(topic, listener)
      )
  }

  return {
    service,
    /** What is asked from now on waits, until it is let go. */
    hold: (...operations: ReadonlyArray<Operation>) =>
      Effect.sync(() => {
        for (const operation of operations) held.add(operation)
      }),
    /** The oldest call that waits. */
    next: Effect.suspend(() => {
      const call = calls.shift()
      return call === undefined ? Effect.dieMessage("nothing was asked of the broker") : Effect.succeed(call)
    }),
    waiting: Effect.sync(() => calls.map(({ operation }) => operation)),
    /** Everything goes through again, what waits first. */
    letGo: Effect.suspend(() => {
      held.clear()
      const waiting = calls
      calls = []
      return Effect.forEach(waiting, ({ answer }) => answer, { discard: true })
    }),
    down: (next: boolean) =>
      Effect.sync(() => {
        isDown = next
      }),
    /** Those who follow the topic hear that they missed something. */
    gap: (topic: string) =>
      Effect.gen(function* () {
        const { end } = yield* Effect.orDie(broker.history(topic, { limit: 0 }))
        for (const [listener, followed] of listeners) if (followed === topic) listener.reset(end, "expired")
        yield* settle
      })
  }
}

const told = (event: Presence.PresenceEvent): string =>
  event._tag === "Members"
    ? ["Members", ...event.members.map(({ principal }) => principal).sort()].join(" ")
    : `${event._tag !== "Changed" ? event._tag : event.member.away === undefined ? "Back" : "Away"} ${event.member.principal}`

/** Runs a stream in the background: what has come, and how it ended. A slow one takes the first, and no more until it goes on. */
const follow = <A, E>(stream: Stream.Stream<A, E>, isSlow = false) =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    const open = yield* Effect.makeLatch(!isSlow)
    const take = (a: A) => open.whenOpen(Effect.sync(() => void seen.push(a)))
    const fiber = yield* Effect.forkScoped(Stream.runForEach(stream, take))
    yield* settle
    return {
      seen,
      /** Is slow no more. */
      goOn: Effect.zipRight(open.open, settle),
      /** Stops reading. */
      stop: Effect.zipRight(Fiber.interrupt(fiber), settle),
      /** Why it failed: `_tag code reason`; "" when it completed. */
      failure: Effect.map(Fiber.await(fiber), (exit) => {
        if (Exit.isSuccess(exit)) return ""
        const error: unknown = Cause.squash(exit.cause)
        return error instanceof ConnectionError.TopicRefused
          ? `TopicRefused ${error.code} ${error.reason}`
          : error instanceof Error
            ? error.name
            : String(error)
      })
    }
  })

export interface CrowdOptions extends Options.All {
  readonly codec?: "json" | "msgpack" | undefined
  readonly broker?: Broker.MemoryOptions | undefined
  readonly history?: Parameters<typeof Gateway.topic>[1]["history"]
  readonly policy?: Parameters<typeof Gateway.topic>[1]["policy"]
  /** Milliseconds that the store takes to note that a connection is gone. Default 0. */
  readonly storeDelay?: number | undefined
  /** The store tells its gateways nothing by itself: they find out when they have it note something. */
  readonly isStoreMute?: boolean | undefined
  /** Default 1. */
  readonly gateways?: number | undefined
}

export const crowd = (options: CrowdOptions = {}) =>
  Effect.gen(function* () {
    const {
      broker,
      codec = "json",
      gateways = 1,
      history,
      policy,
      isStoreMute = false,
      storeDelay = 0,
      ...common
    } = options
    const memory = yield* Broker.makeMemory(broker)
    const wire = behindWire(memory)
    const inMemory = yield* SessionStore.makeMemory()
    const store: typeof inMemory = {
      ...inMemory,
      watch: (watcher) => (isStoreMute ? Effect.void : inMemory.watch(watcher)),
      detach: (...args) =>
        storeDelay === 0 ? inMemory.detach(...args) : Effect.delay(inMemory.detach(...args), storeDelay)
    }
    const credentials = MemoryNetwork.credentials()
    /** Who may not subscribe any more. */
    const banned = new Set<string>()
    /** About whom the rule cannot answer. */
    const broken = new Set<string>()
    const subscribe = (_: unknown, { principal }: { readonly principal: Gateway.Principal }) =>
      banned.has(principal.id)
        ? new ConnectionError.NotAllowed({ reason: "banned" })
        : broken.has(principal.id)
          ? Effect.dieMessage("broken")
          : Effect.void

    const node = Effect.gen(function* () {
      const context = yield* Layer.build(MemoryNetwork.layer())
      const scope = yield* Scope.make()
      const closed: Array<string> = []
      const gateway = yield* Gateway.make({
        ...common,
        messages: Messages.json,
        authenticate: ({ token }) => Effect.succeed({ id: token ?? "nobody" }),
        onMessage: (message) =>
          message === "fail" ? Effect.fail("told to") : message === "hang" ? Effect.never : Effect.void,
        // It does not come back.
        onFailure: () => Outcome.end("told to", { final: true }),
        onClose: (session, { _tag }) => Effect.sync(() => void closed.push(`${session.principal.id} ${_tag}`)),
        topics: [
          Gateway.topic(Topic.make("rooms/:room", Schema.Unknown), {
            subscribe,
            publish: Gateway.allow,
            presence: true,
            history,
            policy
          }),
          Gateway.topic(Topic.make("news", Schema.Unknown), { subscribe: Gateway.allow })
        ]
      }).pipe(
        Effect.provideService(SessionStore.SessionStore, store),
        Effect.provideService(Listener.Listener, Context.get(context, Listener.Listener)),
        Effect.provideService(Credentials.Credentials, credentials),
        Effect.provideService(Broker.Broker, wire.service),
        Scope.extend(scope)
      )
      const close = Scope.close(scope, Exit.void)
      yield* Effect.addFinalizer(() => Effect.zipRight(wire.letGo, close))
      /** The principals that are there, according to this gateway; two of one are two. */
      const members = (ref: Topic.Ref<unknown> = lobby) =>
        Effect.map(gateway.members(ref), (found) => found.map(({ principal }) => principal).sort())
      const sessionOf = (name: string) =>
        Effect.map(gateway.sessions, (sessions) => {
          const found = sessions.find(({ principal }) => principal.id === name)
          return found ?? assert.fail(`${name} has no session here`)
        })
      const dialer = Context.get(context, Dialer.Dialer)
      const network = Context.get(context, MemoryNetwork.MemoryNetwork)
      return { gateway, closed, close, members, sessionOf, dialer, network }
    })
    const nodes = yield* Effect.all(Array.from({ length: gateways }, () => node))
    const [first] = nodes
    if (first === undefined) return assert.fail("no gateway")

    const person = (name: string, own: Partial<Client.ClientOptions<unknown, unknown>> = {}) =>
      Effect.gen(function* () {
        let here: typeof first | undefined = first
        let cut = () => {}
        const dialer: Dialer.Dialer["Type"] = {
          dial: (request) =>
            here === undefined
              ? Effect.fail(new ConnectionError.DialFailed({ url: request.url, cause: "away" }))
              : Effect.zipLeft(
                  here.dialer.dial(request),
                  Effect.map(here.network.latest, (link) => {
                    cut = link.cut
                  })
                )
        }
        const client = yield* makeClient({
          token: name,
          codec: Codec[codec],
          reconnect: Reconnect.exponential({ jitter: false }),
          ...own
        }).pipe(Effect.provideService(Dialer.Dialer, dialer))
        // Before the client says bye, which waits for what the broker has not answered.
        yield* Effect.addFinalizer(() => Effect.zipRight(wire.down(false), wire.letGo))
        yield* settle
        return {
          client,
          /** Loses its connection, and finds none. */
          goAway: Effect.zipRight(
            Effect.sync(() => {
              here = undefined
              cut()
            }),
            settle
          ),
          /** Finds a connection again, at once. */
          comeBack: (to = first) =>
            Effect.zipRight(
              Effect.sync(() => {
                here = to
              }),
              Effect.zipRight(client.reconnect, settle)
            ),
          /** Loses its connection and is back a second later. */
          cut: Effect.zipRight(
            Effect.sync(() => cut()),
            settle
          ),
          read: (ref: Topic.Ref<unknown> = lobby, options?: Client.SubscribeOptions<never>) =>
            follow(Stream.map(client.subscribe(ref, options), ({ value }) => value)),
          readSlowly: (ref: Topic.Ref<unknown> = lobby) =>
            follow(
              Stream.map(client.subscribe(ref), ({ value }) => value),
              true
            ),
          watch: (ref: Topic.Ref<unknown> = lobby) => follow(Stream.map(client.presence(ref), told)),
          watchSlowly: (ref: Topic.Ref<unknown> = lobby) => follow(Stream.map(client.presence(ref), told), true)
        }
      })

    /** What is too old goes. */
    const expire = Effect.zipRight(Effect.orDie(memory.expire), settle)
    return { ...first, nodes, expire, person, wire, banned, broken, memory, store }
  })

/** A crowd in which ann reads the lobby, and a watcher has seen her there. */
export const annAndWatcher = (options?: CrowdOptions) =>
  Effect.gen(function* () {
    const made = yield* crowd(options)
    const ann = yield* made.person("ann")
    const reading = yield* ann.read()
    const watcher = yield* made.person("watcher")
    const { seen } = yield* watcher.watch()
    assert.deepStrictEqual(seen, ["Members ann"])
    return { ...made, ann, reading, watcher, seen, changes: () => seen.slice(1) }
  })

/** The same with a second gateway, from which the watcher watches now. */
export const twoGateways = (options?: CrowdOptions) =>
  Effect.gen(function* () {
    const made = yield* annAndWatcher({ gateways: 2, drainSpread: 0, ...options })
    const [a, b] = made.nodes
    if (a === undefined || b === undefined) return assert.fail("two gateways")
    yield* made.watcher.goAway
    yield* made.watcher.comeBack(b)
    return { ...made, a, b }
  })
