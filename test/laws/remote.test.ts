/** The laws hold for implementations that answer later, and go on with what was interrupted, as a server does. */
import { assert, it } from "@effect/vitest"
import { Effect, type Exit, Layer } from "effect"
import { Broker, SessionStore } from "holdfast"
import { BrokerLaws, SessionStoreLaws } from "holdfast/testing"
import { type Brokerage, broken, type Store } from "./support.js"

/** So many turns of the event loop from now. */
const later = (turns: number, run: () => void): void =>
  void (turns === 0 ? setImmediate(run) : setImmediate(() => later(turns - 1, run)))

/** How far away the server is at the next call: a call may overtake those before it. */
const distances = () => {
  let calls = 0
  return () => (++calls * 7) % 5
}

/** What was sent is done, whoever still waits for the answer. */
const sent =
  (distance: () => number) =>
  <A, E>(operation: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatten(
      Effect.async<Exit.Exit<A, E>>((resume) => {
        later(distance(), () => {
          const exit = Effect.runSyncExit(operation)
          later(distance(), () => resume(Effect.succeed(exit)))
        })
      })
    )

const remoteStore = (store: Store): Store => {
  const far = sent(distances())
  return {
    create: (session) => far(store.create(session)),
    attach: (request) => far(store.attach(request)),
    confirm: (id, generation) => far(store.confirm(id, generation)),
    append: (id, generation, messages) => far(store.append(id, generation, messages)),
    acknowledge: (id, generation, progress) => far(store.acknowledge(id, generation, progress)),
    detach: (id, generation, window) => far(store.detach(id, generation, window)),
    remove: (id, generation, tombstone) => far(store.remove(id, generation, tombstone)),
    revoke: (target, tombstone) => far(store.revoke(target, tombstone)),
    // Its keys expire by themselves.
    expire: Effect.as(far(store.expire), 0),
    size: far(store.size),
    watch: ({ lost, mail }) =>
      Effect.suspend(() => {
        let isOpen = true
        const say = (tell: () => void) => later(3, () => isOpen && tell())
        const close = Effect.sync(() => {
          isOpen = false
        })
        return Effect.zipRight(
          Effect.addFinalizer(() => close),
          store.watch({ lost: (...args) => say(() => lost(...args)), mail: (id) => say(() => mail(id)) })
        )
      }),
    find: (id) => far(store.find(id)),
    post: (id, mail, bounds) => far(store.post(id, mail, bounds)),
    sessionsOf: (principal) => far(store.sessionsOf(principal)),
    collect: (id, generation, after) => far(store.collect(id, generation, after)),
    announce: (node) => far(store.announce(node)),
    withdraw: (node) => far(store.withdraw(node)),
    nodes: far(store.nodes),
    lease: store.lease,
    ready: far(store.ready)
  }
}

const remoteBroker = (broker: Brokerage): Brokerage => {
  const far = sent(distances())
  return {
    keyWindow: broker.keyWindow,
    publish: (topic, payload, options) => far(broker.publish(topic, payload, options)),
    history: (topic, options) => far(broker.history(topic, options)),
    join: (...args) => far(broker.join(...args)),
    leave: (session, options) => far(broker.leave(session, options)),
    members: (topic, presence) => far(broker.members(topic, presence)),
    expire: far(broker.expire),
    ready: far(broker.ready),
    subscribe: (topic, listener) =>
      Effect.suspend(() => {
        let isOpen = true
        const published = (publication: Broker.Publication) =>
          later(3, () => {
            if (isOpen) listener.published(publication)
          })
        const close = Effect.sync(() => {
          isOpen = false
        })
        return Effect.zipRight(
          Effect.addFinalizer(() => close),
          broker.subscribe(topic, { ...listener, published })
        )
      })
  }
}

const store = Layer.effect(SessionStore.SessionStore, Effect.map(SessionStore.makeMemory(), remoteStore))
const broker = Layer.effect(Broker.Broker, Effect.map(Broker.makeMemory(), remoteBroker))

it.effect("a store that answers later, and whose keys expire by themselves, keeps the laws by either clock", () =>
  Effect.gen(function* () {
    for (const clock of ["test", "live"] as const) {
      assert.deepStrictEqual([...(yield* broken(SessionStoreLaws.make(store, { clock }))).values()], [])
    }
  })
)

it.effect("a broker that answers later keeps the laws by either clock", () =>
  Effect.gen(function* () {
    for (const clock of ["test", "live"] as const) {
      assert.deepStrictEqual([...(yield* broken(BrokerLaws.make(broker, { clock }))).values()], [])
    }
  })
)
