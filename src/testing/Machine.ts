/**
 * The machine that a program runs on, in a network in memory: what it asks of
 * others goes over the same ways as its connections. So a store or a broker
 * that several gateways share is as far away as the network says, and a
 * gateway that crashed can change nothing in it any more.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { BrokerUnavailable, StoreUnavailable } from "../protocol/ConnectionError.js"
import { SessionStore, type Watcher } from "../session/SessionStore.js"
import { Broker, type Listener } from "../topic/Broker.js"

/**
 * A machine of a network in memory, to the program that runs on it.
 *
 * @since 0.1.0
 * @category services
 */
export class Machine extends Context.Tag("holdfast/testing/Machine")<
  Machine,
  {
    readonly name: string
    /**
     * Asks another machine: `effect` happens there, once the question has
     * arrived. Fails with what `unreachable` gives when that machine refuses,
     * when the connection between the two is cut, or when there is no answer
     * within `timeout`: whether it has happened, or will, is then not known.
     */
    readonly ask: <A, E, E2>(
      to: string,
      effect: Effect.Effect<A, E>,
      options: { readonly timeout: Duration.DurationInput; readonly unreachable: (cause: string) => E2 }
    ) => Effect.Effect<A, E | E2>
    /** A way for another machine to tell this one something, in order; what is said in a silence comes after it. */
    readonly hear: <A>(
      from: string,
      receive: (a: A) => void
    ) => { readonly say: (a: A) => void; readonly stop: () => void }
  }
>() {}

/**
 * The machine that a service is on, and how long is waited for its answer (default 5 seconds).
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoteOptions {
  readonly on: string
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * The `SessionStore` that it is given, on another machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSessionStore = (options: RemoteOptions): Layer.Layer<SessionStore, never, SessionStore | Machine> =>
  Layer.effect(
    SessionStore,
    Effect.gen(function* () {
      const store = yield* SessionStore
      const machine = yield* Machine
      const { on, timeout = "5 seconds" } = options
      const ask = <A, E>(effect: Effect.Effect<A, E>) =>
        machine.ask(on, effect, { timeout, unreachable: (cause) => new StoreUnavailable({ cause: new Error(cause) }) })
      return {
        create: (session) => ask(store.create(session)),
        attach: (request) => ask(store.attach(request)),
        confirm: (...args) => ask(store.confirm(...args)),
        append: (...args) => ask(store.append(...args)),
        acknowledge: (...args) => ask(store.acknowledge(...args)),
        detach: (...args) => ask(store.detach(...args)),
        remove: (...args) => ask(store.remove(...args)),
        revoke: (...args) => ask(store.revoke(...args)),
        expire: ask(store.expire),
        size: ask(store.size),
        watch: (watcher) => {
          const once = Effect.gen(function* () {
            const scope = yield* Effect.scope
            const far = machine.hear<(watcher: Watcher) => void>(on, (tell) => tell(watcher))
            yield* Effect.addFinalizer(() => Effect.sync(far.stop))
            const watching = store.watch({
              lost: (...args) => far.say((watcher) => watcher.lost(...args)),
              mail: (id) => far.say((watcher) => watcher.mail(id))
            })
            yield* Effect.onError(ask(Scope.extend(watching, scope)), () => Effect.sync(far.stop))
          })
          // A store that cannot be reached is asked again; until then nothing is heard of it.
          const later = Effect.forkScoped(Effect.retry(once, Schedule.spaced("1 second")))
          return Effect.catchAll(once, () => Effect.asVoid(later))
        },
        find: (...args) => ask(store.find(...args)),
        post: (...args) => ask(store.post(...args)),
        sessionsOf: (principal) => ask(store.sessionsOf(principal)),
        collect: (...args) => ask(store.collect(...args)),
        announce: (...args) => ask(store.announce(...args)),
        withdraw: (...args) => ask(store.withdraw(...args)),
        nodes: ask(store.nodes),
        lease: store.lease,
        ready: ask(store.ready)
      }
    })
  )

/**
 * The `Broker` that it is given, on another machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBroker = (options: RemoteOptions): Layer.Layer<Broker, never, Broker | Machine> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const broker = yield* Broker
      const machine = yield* Machine
      const { on, timeout = "5 seconds" } = options
      const ask = <A, E>(effect: Effect.Effect<A, E>) =>
        machine.ask(on, effect, { timeout, unreachable: (cause) => new BrokerUnavailable({ cause: new Error(cause) }) })

      return {
        keyWindow: broker.keyWindow,
        publish: (...args) => ask(broker.publish(...args)),
        subscribe: (topic, listener) =>
          Effect.gen(function* () {
            const scope = yield* Effect.scope
            const far = machine.hear<(listener: Listener) => void>(on, (tell) => tell(listener))
            yield* Effect.addFinalizer(() => Effect.sync(far.stop))
            const subscribed = broker.subscribe(topic, {
              published: (publication) => far.say((listener) => listener.published(publication)),
              reset: (position, reason) => far.say((listener) => listener.reset(position, reason))
            })
            // What it does not know to be subscribed may be all the same: it is not to hear of it.
            return yield* Effect.onError(ask(Scope.extend(subscribed, scope)), () => Effect.sync(far.stop))
          }),
        history: (...args) => ask(broker.history(...args)),
        join: (...args) => ask(broker.join(...args)),
        leave: (...args) => ask(broker.leave(...args)),
        members: (...args) => ask(broker.members(...args)),
        expire: ask(broker.expire),
        ready: ask(broker.ready)
      }
    })
  )
