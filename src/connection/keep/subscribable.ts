/** Values that are watched: the latest for whoever looks, the changes for whoever follows. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Take from "effect/Take"

/** How far a watcher may fall behind before it misses the oldest. */
const capacity = 64

export interface Events<A> {
  /** From a callback or a fiber; never waits. */
  readonly publish: (value: A) => void
  /** The same, but while nobody has watched yet it is for the first who does. */
  readonly leave: (value: A) => void
  /** Every value from now on, up to the end. */
  readonly changes: Stream.Stream<A>
  readonly end: () => void
}

export const events = <A>(replay = 0): Effect.Effect<Events<A>> =>
  Effect.map(PubSub.sliding<Take.Take<A>>({ capacity, replay }), (pubsub) => {
    let ended = false
    /** Until somebody watches. */
    let left: Array<A> | undefined = []
    const watch = Effect.map(PubSub.subscribe(pubsub), (queue) => {
      const first = left ?? []
      left = undefined
      return Stream.concat(Stream.fromIterable(first), Stream.flattenTake(Stream.fromQueue(queue)))
    })
    // A sliding PubSub never suspends its publishers.
    const publish = (take: Take.Take<A>) => void Effect.runSync(PubSub.publish(pubsub, take))
    return {
      publish: (value) => publish(Take.of(value)),
      leave: (value) => {
        if (left === undefined) publish(Take.of(value))
        else if (left.length < capacity) left.push(value)
      },
      changes: Stream.suspend(() => (ended ? Stream.empty : Stream.unwrapScoped(watch))),
      end: () => {
        ended = true
        publish(Take.end)
      }
    }
  })

export interface Subscribable<A> {
  readonly get: Effect.Effect<A>
  readonly set: (value: A) => void
  /** The current value, then each later one, up to and with the last. */
  readonly changes: Stream.Stream<A>
  /** Waits for a value that has an answer. */
  readonly first: <B, E>(answer: (value: A) => Effect.Effect<B, E> | undefined) => Effect.Effect<B, E>
}

export const make = <A>(initial: A, isLast: (value: A) => boolean): Effect.Effect<Subscribable<A>> =>
  Effect.map(events<A>(1), ({ changes: all, publish }) => {
    let current = initial
    publish(initial)
    const changes = Stream.takeUntil(all, isLast)
    return {
      get: Effect.sync(() => current),
      set: (value) => {
        current = value
        publish(value)
      },
      changes,
      first: (answer) =>
        changes.pipe(
          Stream.filterMap((value) => {
            const found = answer(value)
            return found === undefined ? Option.none() : Option.some(found)
          }),
          Stream.runHead,
          Effect.flatMap(Option.getOrElse(() => Effect.dieMessage("the last value had no answer")))
        )
    }
  })
