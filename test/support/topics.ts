/** What the tests of topics share. */
import { Cause, Context, Effect, Exit, Layer, Schema, type Scope, Stream, TestClock } from "effect"
import { Broker, Client, Gateway, Messages, Reconnect, Topic } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { makeClient, type TestClient, World } from "./virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

export const Room = Topic.make("rooms/:room", Schema.Number)
/** Anything, whatever it is. */
export const Any = Topic.make("any/:name", Schema.Unknown)
export const lobby = Room.at({ room: "lobby" })
export const oneSecond = Reconnect.exponential({ jitter: false })

export type Rule = Gateway.GatewayOptions<unknown, unknown, Gateway.Principal, never>["topics"]
type Handlers = Partial<Gateway.GatewayOptions<unknown, unknown, Gateway.Principal, Broker.Broker>>
type RoomOptions = Partial<Parameters<typeof Gateway.topic<number, { readonly room: string }, Gateway.Principal>>[1]>

/** The rule of `Room`: everybody may everything. */
export const rooms = (options?: RoomOptions) =>
  Gateway.topic<number, { readonly room: string }, Gateway.Principal>(Room, {
    subscribe: Gateway.allow,
    publish: Gateway.allow,
    ...options
  })

/** A gateway whose one rule is that of `Room`; its clients are who their token says. */
export const makeGateway = (room?: RoomOptions, handlers?: Handlers) =>
  Gateway.make({
    messages: Messages.json,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "anonymous" }),
    onMessage: () => Effect.void,
    topics: [rooms(room)],
    ...handlers
  }).pipe(
    Effect.tap(
      Effect.flatMap(Broker.Broker, (service) =>
        Effect.addFinalizer(() => spies.get(service)?.hurry.open ?? Effect.void)
      )
    )
  )

export type TestGateway = Gateway.Gateway<unknown>

/** A client that comes back after exactly a second. */
export const connect = (options?: Partial<Client.ClientOptions<unknown, unknown>>) =>
  Effect.tap(makeClient({ reconnect: oneSecond, ...options }), () => settled)

export const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

/** A stream that runs in the background, and what has become of it. */
export interface Following<A, E> {
  readonly seen: Array<A>
  /** How it ended, once it has: `completed`, or what it failed with. */
  readonly end: () => "completed" | E | undefined
  readonly stop: Effect.Effect<void>
}

export const follow = <A, E>(stream: Stream.Stream<A, E>): Effect.Effect<Following<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<A> = []
    let end: "completed" | E | undefined
    const run = Stream.runForEach(stream, (a) => Effect.sync(() => void seen.push(a))).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) end = "completed"
          else if (exit.cause._tag === "Fail") end = exit.cause.error
          else if (!Cause.isInterruptedOnly(exit.cause)) seen.push(Cause.squash(exit.cause) as A) // no test expects it
        })
      )
    )
    const fiber = yield* Effect.forkScoped(run)
    yield* settled
    return { seen, end: () => end, stop: Effect.asVoid(fiber.interruptAsFork(fiber.id())) }
  })

/** Lets everything happen that can without time passing. */
export const settled = TestClock.adjust(0)

type Publications<A> = Following<Client.Publication<A> | Client.TooLarge, unknown>
const received = <A>({ seen }: Publications<A>) => seen.filter((publication) => Client.hasValue(publication))
export const values = <A>(following: Publications<A>) => received(following).map(({ value }) => value)
export const skips = <A>(following: Publications<A>) => received(following).map(({ skipped }) => skipped)

/** Cuts, does something while the client is away, and has it come back at this very millisecond. */
export const away = <A, E, R>(client: TestClient, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* network.reach({ _tag: "Refused" })
    yield* network.cut()
    yield* settled
    const result = yield* effect
    yield* network.reach({ _tag: "Open" })
    yield* client.reconnect
    yield* pass
    return result
  })

/** Long enough for every answer of a broker that takes its time; in this time nothing else happens. */
export const pass = TestClock.adjust(500)

export const subscriptions = (gateway: TestGateway) =>
  Effect.flatMap(gateway.sessions, (sessions) =>
    Effect.forEach(sessions, (session) => Effect.map(session.info, (info) => info.subscriptions))
  )

/** The one session of the gateway. */
export const only = (gateway: TestGateway) =>
  Effect.flatMap(gateway.sessions, ([session, ...more]) =>
    session === undefined || more.length > 0 ? Effect.dieMessage("not one session") : Effect.succeed(session)
  )

export const isReady = (client: TestClient) => Effect.map(client.status, ({ _tag }) => _tag === "Ready")

// ---- brokers

/** What a broker was asked for, and how many listen. */
export class Spy {
  readonly asked: Array<string> = []
  listening = 0
  /** Opened, it waits no more: for what is closed when the clock stands still. */
  readonly hurry = Effect.unsafeMakeLatch(false)
}

const spies = new WeakMap<Broker.Broker["Type"], Spy>()

/**
 * A broker whose answers, requests or both are on their way for a while: it
 * asks `inner` after `there`, and answers after `back`, both in milliseconds.
 */
export const delayed = (
  inner: Broker.Broker["Type"],
  { back, there }: { readonly there: number; readonly back: number },
  spy = new Spy()
): Broker.Broker["Type"] => {
  // Whoever asks may be uninterruptible; the loser of the race must not be.
  const wait = (millis: number) =>
    Effect.raceFirst(Effect.interruptible(Effect.sleep(millis)), Effect.interruptible(spy.hurry.await))
  const late = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      spy.asked.push(what)
      return wait(there).pipe(Effect.zipRight(effect), Effect.zipLeft(wait(back)))
    })
  const service: Broker.Broker["Type"] = {
    keyWindow: inner.keyWindow,
    publish: (topic, payload, options) => late(`publish ${topic}`, inner.publish(topic, payload, options)),
    subscribe: (topic, listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void spy.listening++),
        () => Effect.sync(() => void spy.listening--)
      ).pipe(Effect.zipRight(late(`subscribe ${topic}`, inner.subscribe(topic, listener)))),
    history: (topic, options) => late(`history ${topic}`, inner.history(topic, options)),
    join: (topic, ...rest) => late(`join ${topic}`, inner.join(topic, ...rest)),
    leave: (session, options) => late(`leave ${options.topic ?? "all"}`, inner.leave(session, options)),
    members: (topic, presence) => late(`members ${topic}`, inner.members(topic, presence)),
    expire: inner.expire,
    ready: inner.ready
  }
  spies.set(service, spy)
  return service
}

/** The broker without its delays, as other nodes see it. */
export class Elsewhere extends Context.Tag("test/Elsewhere")<Elsewhere, Broker.Broker["Type"]>() {}

/** A new broker in memory, which answers at once or after these delays. */
export const broker = (delays?: { readonly there: number; readonly back: number }, spy?: Spy) =>
  Layer.effectContext(
    Effect.map(Broker.makeMemory(), (inner) =>
      Context.make(Elsewhere, inner).pipe(
        Context.add(Broker.Broker, delays === undefined ? inner : delayed(inner, delays, spy))
      )
    )
  )

/** A network, a store and a broker in memory. */
export const TopicWorld = Layer.provideMerge(broker(), World)

/** The same law must hold for a broker that answers at once, and for those whose answers or requests are on their way. */
export const worlds = {
  "at once": TopicWorld,
  "late answers": Layer.provideMerge(broker({ there: 0, back: 30 }), World),
  "late requests": Layer.provideMerge(broker({ there: 30, back: 0 }), World),
  "a slow broker": Layer.provideMerge(broker({ there: 20, back: 25 }), World)
}

/** What is published is told at the end of the turn: waits until it was. */
export const told = Effect.promise(() => Promise.resolve())

/** Publishes `from` to `to`, as another node would. */
export const fill = (from: number, to: number, retention?: Broker.Retention, name = lobby.name) =>
  Effect.flatMap(Elsewhere, (elsewhere) =>
    Effect.zipLeft(
      Effect.forEach(range(from, to), (n) => elsewhere.publish(name, String(n), { retention })),
      told
    )
  )

export const logged = (name = lobby.name) =>
  Effect.flatMap(Elsewhere, (elsewhere) =>
    Effect.map(elsewhere.history(name, { limit: 10_000 }), (log) =>
      log._tag === "Complete" ? log.publications.map(({ payload }) => JSON.parse(payload)) : [log.reason]
    )
  )
