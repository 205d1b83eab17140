/** Implementations in memory for two nodes, and the laws that one breaks. */
import { type Context, Effect, Layer } from "effect"
import { Broker, SessionStore } from "holdfast"
import type { Law } from "holdfast/testing"

export type Store = SessionStore.SessionStore["Type"]
export type Brokerage = Broker.Broker["Type"]

/** A layer whose instances share one service wherever they keep one time: each law has a clock of its own. */
const shared = <I, S extends object>(tag: Context.Tag<I, S>, make: Effect.Effect<S>): Layer.Layer<I> => {
  const known = new WeakMap<object, S>()
  const service = Effect.flatMap(Effect.clock, (clock) => {
    const before = known.get(clock)
    return before === undefined
      ? Effect.tap(make, (made) => Effect.sync(() => known.set(clock, made)))
      : Effect.succeed(before)
  })
  return Layer.effect(tag, service)
}

export const sharedStore = shared(SessionStore.SessionStore, SessionStore.makeMemory())
export const sharedBroker = shared(Broker.Broker, Broker.makeMemory())

/** The memory store with a fault. */
export const faultyStore = (fault: (store: Store) => Partial<Store>): Layer.Layer<SessionStore.SessionStore> =>
  Layer.effect(
    SessionStore.SessionStore,
    Effect.map(SessionStore.makeMemory(), (store) => ({ ...store, ...fault(store) }))
  )

/** The memory broker with a fault. */
export const faultyBroker = (fault: (broker: Brokerage) => Partial<Brokerage>): Layer.Layer<Broker.Broker> =>
  Layer.effect(
    Broker.Broker,
    Effect.map(Broker.makeMemory(), (broker) => ({ ...broker, ...fault(broker) }))
  )

/** The laws that are broken, by name, each with what it said. */
export const broken = (laws: ReadonlyArray<Law.Law>): Effect.Effect<ReadonlyMap<string, Law.LawBroken>> =>
  Effect.map(
    Effect.forEach(laws, ({ holds, name }) => Effect.map(Effect.either(holds), (answer) => ({ name, answer })), {
      concurrency: 8
    }),
    (answers) =>
      new Map(answers.flatMap(({ answer, name }) => (answer._tag === "Left" ? [[name, answer.left] as const] : [])))
  )
