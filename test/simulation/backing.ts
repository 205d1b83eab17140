/** The store and the broker that all gateways share, in memory that nothing crashes; what happens in them is written down. */
import { Effect } from "effect"
import { Broker, SessionStore } from "holdfast"
import type { Ledger } from "./ledger.js"

export const make = (ledger: Ledger) =>
  Effect.gen(function* () {
    const store = yield* SessionStore.makeMemory()
    const broker = yield* Broker.makeMemory()
    let listeners = 0
    /** The newest generation of each session. */
    const generations = new Map<string, number>()

    /** Nothing of an older generation gets through. */
    const fenced = <A, E>(id: string, generation: number, operation: string, effect: Effect.Effect<A, E>) =>
      Effect.tap(effect, () => {
        const newest = generations.get(id) ?? 1
        if (generation < newest) ledger.violation(4, `${operation} of ${id} as ${generation}, after ${newest} attached`)
      })

    const watchedStore: typeof store = {
      ...store,
      create: (session) =>
        Effect.tap(store.create(session), () => void ledger.event("store", `${session.id} is created`)),
      attach: (request) =>
        Effect.tap(store.attach(request), (attached) => {
          ledger.event("store", `${request.id} asked for: ${attached._tag}`)
          if (attached._tag === "Attached") generations.set(request.id, attached.session.generation)
        }),
      confirm: (id, generation) => fenced(id, generation, "confirm", store.confirm(id, generation)),
      append: (id, generation, messages) => fenced(id, generation, "append", store.append(id, generation, messages)),
      acknowledge: (id, generation, progress) =>
        fenced(id, generation, "acknowledge", store.acknowledge(id, generation, progress)),
      detach: (id, generation, window) =>
        fenced(id, generation, "detach", store.detach(id, generation, window)).pipe(
          Effect.tap(() => {
            ledger.detached.set(id, ledger.now())
            ledger.event("store", `${id} is detached from ${generation}`)
          })
        ),
      remove: (id, generation, tombstone) =>
        fenced(id, generation, "remove", store.remove(id, generation, tombstone)).pipe(
          Effect.tap(() => void ledger.event("store", `${id} is removed: ${tombstone?._tag ?? "bye"}`))
        )
    }
    const watchedBroker: typeof broker = {
      ...broker,
      publish: (topic, payload, options) =>
        Effect.tap(broker.publish(topic, payload, options), ({ epoch, offset }) => {
          if (!topic.startsWith("rooms/")) return
          const value: unknown = JSON.parse(payload)
          const known = ledger.log.get(offset)
          ledger.epochs.add(epoch)
          // The same key again is answered with the position of the first.
          if (known !== undefined && known !== value) ledger.violation(1, `offset ${offset} is ${known} and ${value}`)
          ledger.log.set(offset, String(value))
        }),
      subscribe: (topic, listener) =>
        Effect.tap(broker.subscribe(topic, listener), () => {
          listeners++
          return Effect.addFinalizer(() => Effect.sync(() => void listeners--))
        })
    }
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.zipRight(
          Effect.sleep("1 minute"),
          Effect.zipRight(Effect.orDie(store.expire), Effect.orDie(broker.expire))
        )
      )
    )
    return { store: watchedStore, broker: watchedBroker, listeners: () => listeners }
  })
